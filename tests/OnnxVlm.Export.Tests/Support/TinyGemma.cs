using System.Text.Json.Nodes;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>
/// A unified Gemma with random weights, in the forms of its checkpoints: nested or flat configuration, with and without values of their own, other
/// head sizes, windows and rotations.
/// </summary>
internal sealed record TinyGemma
{
    public const int EndToken = 1, ImageToken = 92, BeginImage = 90, EndImage = 91;

    public int Seed { get; init; } = 1;

    public int Hidden { get; init; } = 48;

    public int Heads { get; init; } = 4;

    public int KeyValueHeads { get; init; } = 2;

    public int HeadSize { get; init; } = 16;

    /// <summary>Head size of global-attention layers.</summary>
    public int FullHeadSize { get; init; } = 32;

    /// <summary>Key/value heads of global-attention layers; used only where keys are values, as in the reference.</summary>
    public int? FullKeyValueHeads { get; init; } = 1;

    public bool KeyIsValue { get; init; } = true;

    public int Window { get; init; } = 8;

    public double Theta { get; init; } = 10000;

    public double FullTheta { get; init; } = 1000000;

    public double RotaryFactor { get; init; } = 0.25;

    public double? Softcap { get; init; } = 30;

    /// <summary>s for sliding-window layers, f for global ones; null for the default.</summary>
    public string? Kinds { get; init; } = "sfssf";

    public int Layers { get; init; } = 5;

    /// <summary>Whether attention within an image is bidirectional.</summary>
    public bool BothWays { get; init; } = true;

    public bool Tied { get; init; } = true;

    public string DType { get; init; } = "F32";

    public int Shards { get; init; } = 1;

    /// <summary>Whether the decoder's keys are in <c>text_config</c>.</summary>
    public bool Nested { get; init; } = true;

    /// <summary>Whether the sizes of global-attention layers are in <c>per_layer_config</c>.</summary>
    public bool PerLayer { get; init; }

    /// <summary>Whether <c>rope_parameters</c> and <c>use_bidirectional_attention</c> are there.</summary>
    public bool Defaults { get; init; }

    /// <summary>Whether the image processor is a section of <c>processor_config.json</c>.</summary>
    public bool SharedProcessor { get; init; }

    public string Prefix { get; init; } = "model.language_model.";

    public int Intermediate { get; init; } = 80;

    public int Vocabulary { get; init; } = 96;

    public int PatchSize { get; init; } = 6;

    public int PatchWidth => 3 * PatchSize * PatchSize;

    public int VisionSize { get; init; } = 40;

    public int Places { get; init; } = 24;

    public double RmsEpsilon { get; init; } = 1e-6;

    public bool IsFull(int layer) => layer == Layers - 1 || (Kinds is null ? (layer + 1) % 6 == 0 : Kinds[layer] == 'f');

    public JsonObject Config()
    {
        JsonObject text = new()
        {
            ["model_type"] = "gemma4_unified_text",
            ["attention_bias"] = false,
            ["attention_dropout"] = 0.0,
            ["attention_k_eq_v"] = KeyIsValue,
            ["bos_token_id"] = 2,
            ["eos_token_id"] = 7,
            ["pad_token_id"] = 0,
            ["final_logit_softcapping"] = Softcap,
            ["head_dim"] = HeadSize,
            ["hidden_activation"] = "gelu_pytorch_tanh",
            ["hidden_size"] = Hidden,
            ["intermediate_size"] = Intermediate,
            ["layer_types"] = Kinds is null ? null : new JsonArray([.. Kinds.Select(kind => (JsonNode)(kind == 'f' ? "full_attention" : "sliding_attention"))]),
            ["max_position_embeddings"] = 256,
            ["num_attention_heads"] = Heads,
            ["num_hidden_layers"] = Layers,
            ["num_key_value_heads"] = KeyValueHeads,
            ["num_kv_shared_layers"] = 0,
            ["rms_norm_eps"] = RmsEpsilon,
            ["sliding_window"] = Window,
            ["vocab_size"] = Vocabulary,
            ["vocab_size_per_layer_input"] = 96,
            ["use_double_wide_mlp"] = false,
        };
        if (!Defaults)
        {
            text["use_bidirectional_attention"] = BothWays ? "vision" : null;
            text["rope_parameters"] = new JsonObject
            {
                ["full_attention"] = new JsonObject { ["rope_type"] = "proportional", ["rope_theta"] = FullTheta, ["partial_rotary_factor"] = RotaryFactor },
                ["sliding_attention"] = new JsonObject { ["rope_type"] = "default", ["rope_theta"] = Theta },
            };
        }

        if (PerLayer)
        {
            text["per_layer_config"] = new JsonObject([.. Enumerable.Range(0, Layers).Where(IsFull).Select(layer => KeyValuePair.Create<string, JsonNode?>(
                $"{layer}", new JsonObject { ["head_dim"] = FullHeadSize, ["num_key_value_heads"] = FullKeyValueHeads ?? KeyValueHeads }))]);
        }
        else
        {
            text["global_head_dim"] = FullHeadSize;
            text["num_global_key_value_heads"] = FullKeyValueHeads;
        }

        JsonObject config = Nested ? new() { ["text_config"] = text } : text;
        config["model_type"] = "gemma4_unified";
        config["architectures"] = new JsonArray("Gemma4UnifiedForConditionalGeneration");
        config["image_token_id"] = ImageToken;
        config["boi_token_id"] = BeginImage;
        config["eoi_token_id"] = EndImage;
        config["audio_token_id"] = 94;
        config["eoa_token_index"] = 95;
        config["eos_token_id"] = new JsonArray(EndToken, 8);
        config["tie_word_embeddings"] = Tied;
        config["audio_config"] = new JsonObject { ["audio_embed_dim"] = 10 };
        config["vision_config"] = new JsonObject
        {
            ["model_type"] = "gemma4_unified_vision", ["mm_embed_dim"] = VisionSize, ["mm_posemb_size"] = Places, ["output_proj_dims"] = VisionSize,
            ["patch_size"] = PatchSize / 3, ["pooling_kernel_size"] = 3, ["rms_norm_eps"] = RmsEpsilon, ["initializer_range"] = 0.02, ["dtype"] = "bfloat16",
        };
        return config;
    }

    public Dictionary<string, (long[] Shape, float[] Numbers)> Tensors()
    {
        TinyWeights weights = new(Seed, DType);
        Fill($"{Prefix}embed_tokens.weight", [Vocabulary, Hidden], 0, 1 / Math.Sqrt(Hidden));
        for (int i = 0; i < Layers; i++)
        {
            string key = $"{Prefix}layers.{i}";
            int size = IsFull(i) ? FullHeadSize : HeadSize, keys = FullHeads(i) * size;
            foreach (string norm in new[] { "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm" })
                Fill($"{key}.{norm}.weight", [Hidden], 1, 0.3);
            Matrix($"{key}.self_attn.q_proj", Heads * size, Hidden);
            Matrix($"{key}.self_attn.k_proj", keys, Hidden);
            if (!IsFull(i) || !KeyIsValue)
                Matrix($"{key}.self_attn.v_proj", keys, Hidden);
            Matrix($"{key}.self_attn.o_proj", Hidden, Heads * size);
            Fill($"{key}.self_attn.q_norm.weight", [size], 0.6, 0.2);
            Fill($"{key}.self_attn.k_norm.weight", [size], 0.6, 0.2);
            Matrix($"{key}.mlp.gate_proj", Intermediate, Hidden);
            Matrix($"{key}.mlp.up_proj", Intermediate, Hidden);
            Matrix($"{key}.mlp.down_proj", Hidden, Intermediate);
            Fill($"{key}.layer_scalar", [1], 0.8, 0.2);
        }

        Fill($"{Prefix}norm.weight", [Hidden], 1, 0.3);
        if (!Tied)
            Fill("lm_head.weight", [Vocabulary, Hidden], 0, 1 / Math.Sqrt(Hidden));
        LayerNorm("patch_ln1", PatchWidth);
        Matrix("model.vision_embedder.patch_dense", VisionSize, PatchWidth);
        Fill("model.vision_embedder.patch_dense.bias", [VisionSize], 0, 0.3);
        LayerNorm("patch_ln2", VisionSize);
        Fill("model.vision_embedder.pos_embedding", [Places, 2, VisionSize], 0, 0.5);
        LayerNorm("pos_norm", VisionSize);
        Matrix("model.embed_vision.embedding_projection", Hidden, VisionSize);
        Matrix("model.embed_audio.embedding_projection", Hidden, 10);
        return weights.Tensors;

        void Matrix(string name, int rows, int width) => Fill($"{name}.weight", [rows, width], 0, 1 / Math.Sqrt(width));

        void LayerNorm(string name, int length)
        {
            Fill($"model.vision_embedder.{name}.weight", [length], 1, 0.3);
            Fill($"model.vision_embedder.{name}.bias", [length], 0, 0.3);
        }

        void Fill(string name, long[] shape, double mean, double deviation) => weights.Fill(name, shape, mean, deviation);
    }

    public int FullHeads(int layer) => IsFull(layer) && (KeyIsValue || PerLayer) ? FullKeyValueHeads ?? KeyValueHeads : KeyValueHeads;

    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), Config().ToJsonString());
        JsonObject images = new()
        {
            ["image_processor_type"] = "Gemma4UnifiedImageProcessor",
            ["do_resize"] = true,
            ["do_normalize"] = false,
            ["max_soft_tokens"] = 70,
            ["patch_size"] = PatchSize / 3,
            ["pooling_kernel_size"] = 3,
            ["resample"] = 3,
            ["rescale_factor"] = 1 / 255.0,
        };
        if (SharedProcessor)
            File.WriteAllText(Path.Combine(folder, "processor_config.json"),
                new JsonObject { ["processor_class"] = "Gemma4UnifiedProcessor", ["image_processor"] = images }.ToJsonString());
        else
            File.WriteAllText(Path.Combine(folder, "preprocessor_config.json"), images.ToJsonString());
        SafetensorsWriter.WriteShards(folder, DType, Shards, [.. Tensors().Select(entry => (entry.Key, entry.Value.Shape, entry.Value.Numbers))]);
    }

    /// <summary>A short name for tests.</summary>
    public override string ToString() =>
        $"{DType}, {Heads}x{HeadSize} and {FullHeadSize}, {KeyValueHeads} and {FullKeyValueHeads} kv{(KeyIsValue ? " = v" : "")}, " +
            $"window {Window}, {RotaryFactor:P0} at {FullTheta}, cap {Softcap}, {Kinds}, {(Nested ? "nested" : "flat")}, {Shards} shards";
}
