namespace OnnxVlm.Export.HuggingFace;

/// <summary>
/// Keys of a configuration that do not change what a decoder computes for given weights: who wrote the file and with which tool, how the model was or
/// will be trained, how a framework runs it, and its sampling settings, which belong in generation_config.json.
/// </summary>
internal static class KeysWithoutEffect
{
    /// <summary>Keys of transformers' base class of configurations; older versions write all of them.</summary>
    private static readonly HashSet<string> Names = new(StringComparer.Ordinal)
    {
        "_commit_hash", "_from_model_config", "_name_or_path", "add_cross_attention", "architectures", "auto_map", "bad_words_ids",
        "begin_suppress_tokens", "chunk_size_feed_forward", "cross_attention_hidden_size", "custom_pipelines", "decoder_start_token_id",
        "diversity_penalty", "do_sample", "dtype", "early_stopping", "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty",
        "finetuning_task", "forced_bos_token_id", "forced_eos_token_id", "id2label", "is_decoder", "is_encoder_decoder", "label2id", "length_penalty",
        "max_length", "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences", "output_attentions",
        "output_hidden_states", "output_scores", "prefix", "problem_type", "pruned_heads", "remove_invalid_values", "repetition_penalty",
        "return_dict", "return_dict_in_generate", "sep_token_id", "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss",
        "tie_encoder_decoder", "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers.js_config", "transformers_version",
        "typical_p", "use_bfloat16", "use_cache",

        // Training: initial values, dropout, recomputation that saves memory, terms of the loss.
        "attention_dropout", "attn_pdrop", "classifier_dropout", "dropout", "embd_pdrop", "ffn_dropout", "gradient_checkpointing", "hidden_dropout",
        "hidden_dropout_prob", "initializer_factor", "initializer_range", "label_smoothing", "max_seq_length", "model_max_length",
        "neftune_noise_alpha", "output_router_logits", "pretraining_tp", "resid_pdrop", "router_aux_loss_coef", "training_args",
        "use_gradient_checkpointing", "z_loss",

        // How a framework computes the same result.
        "attn_implementation", "device_map", "flash_attention", "fused_mlp", "fused_norm", "fused_swiglu", "fuse_cross_entropy", "fuse_norm",
        "fuse_swiglu", "tensor_parallel_size", "use_flash_attention", "use_flash_attention_2", "use_flash_attn", "use_fused_rms_norm",
        "use_liger_kernel", "use_xformers",

        // The model card.
        "base_model", "datasets", "language", "library_name", "license", "license_link", "license_name", "model_name", "pipeline_tag", "tags",
    };

    /// <summary>Tools prefix what they write about themselves with their name. An adapter that is not merged is recognized by its tensors.</summary>
    private static readonly string[] Tools =
    [
        "_attn_implementation", "_experts_implementation", "_unsloth", "accelerate_", "adapter_", "axolotl", "deepspeed", "fsdp", "liger_",
        "llamafactory", "lora_", "mergekit", "peft", "swift_", "trl_", "unsloth", "wandb",
    ];

    /// <summary>Whether a key is one of them.</summary>
    public static bool Contains(string key) => Names.Contains(key) || Tools.Any(tool => key.StartsWith(tool, StringComparison.Ordinal));
}
