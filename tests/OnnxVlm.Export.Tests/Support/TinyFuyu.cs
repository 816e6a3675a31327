using System.Text.Json.Nodes;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>A Fuyu with random weights, in the forms of its checkpoints: nested or flat configuration, other prefixes, shards, element types.</summary>
internal sealed record TinyFuyu
{
    public const int EndToken = 2, ImageToken = 90, NewLineToken = 91;

    public int Seed { get; init; } = 1;

    public int Hidden { get; init; } = 64;

    public int Heads { get; init; } = 2;

    public int Layers { get; init; } = 2;

    public double Theta { get; init; } = 25000;

    public double RotaryFactor { get; init; } = 0.5;

    public bool HeadNorm { get; init; } = true;

    public bool Tied { get; init; }

    public string DType { get; init; } = "F32";

    public int Shards { get; init; } = 1;

    /// <summary>Whether the decoder's keys are in <c>text_config</c>.</summary>
    public bool Nested { get; init; }

    /// <summary>Whether the rotary keys are in <c>rope_parameters</c>, as transformers 5 writes them.</summary>
    public bool RopeParameters { get; init; }

    public string DecoderPrefix { get; init; } = "language_model.model.";

    public string HeadPrefix { get; init; } = "language_model.";

    public string VisionPrefix { get; init; } = "";

    public int PatchSize { get; init; } = 4;

    public int Vocabulary { get; init; } = 96;

    public int PatchWidth => 3 * PatchSize * PatchSize;

    /// <summary>The flat configuration.</summary>
    public JsonObject Config() => new()
    {
        ["architectures"] = new JsonArray("FuyuForCausalLM"),
        ["model_type"] = "fuyu",
        ["vocab_size"] = Vocabulary,
        ["hidden_size"] = Hidden,
        ["intermediate_size"] = 80,
        ["num_hidden_layers"] = Layers,
        ["num_attention_heads"] = Heads,
        ["hidden_act"] = "relu2",
        ["max_position_embeddings"] = 256,
        ["initializer_range"] = 0.02,
        ["layer_norm_eps"] = 1e-5,
        ["use_cache"] = true,
        ["rope_theta"] = Theta,
        ["rope_scaling"] = null,
        ["qk_layernorm"] = HeadNorm,
        ["hidden_dropout"] = 0.0,
        ["attention_dropout"] = 0.0,
        ["partial_rotary_factor"] = RotaryFactor,
        ["bos_token_id"] = 1,
        ["eos_token_id"] = EndToken,
        ["pad_token_id"] = null,
        ["tie_word_embeddings"] = Tied,
        ["image_size"] = 300,
        ["patch_size"] = PatchSize,
        ["num_channels"] = 3,
        ["image_token_id"] = ImageToken,
        ["torch_dtype"] = "float32",
        ["transformers_version"] = "4.45.2",
    };

    public Dictionary<string, (long[] Shape, float[] Numbers)> Tensors()
    {
        TinyWeights weights = new(Seed, DType);
        int size = Hidden / Heads;
        Fill($"{DecoderPrefix}embed_tokens.weight", [Vocabulary, Hidden], 0, 1);
        Linear($"{VisionPrefix}vision_embed_tokens", Hidden, PatchWidth);
        for (int i = 0; i < Layers; i++)
        {
            string key = $"{DecoderPrefix}layers.{i}";
            Norm($"{key}.input_layernorm", Hidden);
            Norm($"{key}.post_attention_layernorm", Hidden);
            Linear($"{key}.self_attn.query_key_value", 3 * Hidden, Hidden);
            if (HeadNorm)
            {
                Norm($"{key}.self_attn.q_layernorm", size);
                Norm($"{key}.self_attn.k_layernorm", size);
            }

            Linear($"{key}.self_attn.dense", Hidden, Hidden);
            Linear($"{key}.mlp.dense_h_to_4h", 80, Hidden);
            Linear($"{key}.mlp.dense_4h_to_h", Hidden, 80);
        }

        Norm($"{DecoderPrefix}final_layernorm", Hidden);
        if (!Tied)
            Fill($"{HeadPrefix}lm_head.weight", [Vocabulary, Hidden], 0, 1 / Math.Sqrt(Hidden));
        return weights.Tensors;

        void Linear(string name, int rows, int width)
        {
            Fill($"{name}.weight", [rows, width], 0, 1.2 / Math.Sqrt(width));
            Fill($"{name}.bias", [rows], 0, 0.3);
        }

        void Norm(string name, int length)
        {
            Fill($"{name}.weight", [length], 1, 0.3);
            Fill($"{name}.bias", [length], 0, 0.3);
        }

        void Fill(string name, long[] shape, double mean, double deviation) => weights.Fill(name, shape, mean, deviation);
    }

    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        JsonObject config = Config();
        if (RopeParameters)
        {
            config["rope_parameters"] = new JsonObject { ["rope_theta"] = Theta, ["rope_type"] = "default", ["partial_rotary_factor"] = RotaryFactor };
            config.Remove("rope_theta");
            config.Remove("partial_rotary_factor");
        }

        if (Nested)
        {
            JsonObject text = config.DeepClone().AsObject();
            text["chunk_size_feed_forward"] = 0;
            text["id2label"] = new JsonObject { ["0"] = "LABEL_0" };
            text["top_k"] = 50;
            text["model_type"] = "persimmon";
            foreach (string key in new[] { "image_size", "patch_size", "num_channels", "image_token_id" })
                text.Remove(key);

            // As in the reference, the nested value wins.
            config["num_hidden_layers"] = 36;
            config["rope_theta"] = 1;
            config["text_config"] = text;
        }

        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "preprocessor_config.json"), Preprocessor().ToJsonString());
        SafetensorsWriter.WriteShards(folder, DType, Shards, [.. Tensors().Select(entry => (entry.Key, entry.Value.Shape, entry.Value.Numbers))]);
    }

    public JsonObject Preprocessor() => new()
    {
        ["do_normalize"] = true,
        ["do_pad"] = true,
        ["do_rescale"] = true,
        ["do_resize"] = true,
        ["image_mean"] = 0.5,
        ["image_processor_type"] = "FuyuImageProcessor",
        ["image_std"] = 0.5,
        ["padding_mode"] = "constant",
        ["padding_value"] = 1.0,
        ["patch_size"] = new JsonObject { ["height"] = PatchSize, ["width"] = PatchSize },
        ["processor_class"] = "FuyuProcessor",
        ["resample"] = 2,
        ["rescale_factor"] = 1 / 255.0,
        ["size"] = new JsonObject { ["height"] = 1080, ["width"] = 1920 },
    };

    /// <summary>A short name for tests.</summary>
    public override string ToString() =>
        $"{DType}, {Heads} heads of {Hidden / Heads}, {RotaryFactor:P0} rotated, " +
            $"theta {Theta}, {(Nested ? "nested" : "flat")}, {DecoderPrefix}*, {Shards} shards{(Tied ? ", tied" : "")}{(HeadNorm ? "" : ", no head norm")}";
}
