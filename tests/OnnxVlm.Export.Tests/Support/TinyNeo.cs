using System.Text.Json.Nodes;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>
/// A neo_chat model with random weights, in the forms of its checkpoints: NEO 1.0, NEO 1.5, SenseNova-U1; shards, element types, tied heads.
/// </summary>
internal sealed record TinyNeo
{
    public const int ImageToken = 90, BeginToken = 91, EndToken = 92, TurnEndToken = 93;

    public enum Style
    {
        /// <summary>Ids of the image tokens only in added_tokens.json.</summary>
        Neo10,

        /// <summary>Ids in config.json, rotary keys in rope_parameters, the ratio in vision_config.</summary>
        Neo15,

        /// <summary>With the branch that generates images.</summary>
        SenseNovaU1,
    }

    public Style Form { get; init; }

    public int Seed { get; init; } = 1;

    public int Hidden { get; init; } = 64;

    public int Heads { get; init; } = 4;

    public int KeyValueHeads { get; init; } = 2;

    public int HeadSize { get; init; } = 16;

    public int Layers { get; init; } = 2;

    public int Intermediate { get; init; } = 96;

    public int VisionWidth { get; init; } = 24;

    /// <summary>Side of the squares of the first convolution in pixels.</summary>
    public int SquareSize { get; init; } = 4;

    /// <summary>Squares along a side of a token's patch.</summary>
    public int Merge { get; init; } = 2;

    public double Theta { get; init; } = 1_000_000;

    public double ThetaHw { get; init; } = 10000;

    public double ThetaVision { get; init; } = 10000;

    public int MinPixels { get; init; } = 128;

    public int MaxPixels { get; init; } = 65536;

    public bool Tied { get; init; }

    public string DType { get; init; } = "F32";

    public int Shards { get; init; } = 1;

    public int Vocabulary { get; init; } = 96;

    /// <summary>Side of a token's patch in pixels.</summary>
    public int PatchSize => Merge * SquareSize;

    public JsonObject Config()
    {
        JsonObject llm = new()
        {
            ["architectures"] = new JsonArray("Qwen3ForCausalLM"),
            ["model_type"] = "qwen3",
            ["attention_bias"] = false,
            ["attention_dropout"] = 0.0,
            ["eos_token_id"] = null,
            ["head_dim"] = HeadSize,
            ["hidden_act"] = "silu",
            ["hidden_size"] = Hidden,
            ["initializer_range"] = 0.02,
            ["intermediate_size"] = Intermediate,
            ["max_position_embeddings"] = 512,
            ["max_position_embeddings_hw"] = 10000,
            ["max_window_layers"] = Layers,
            ["num_attention_heads"] = Heads,
            ["num_hidden_layers"] = Layers,
            ["num_key_value_heads"] = KeyValueHeads,
            ["rms_norm_eps"] = 1e-6,
            ["rope_scaling"] = null,
            ["rope_theta"] = Theta,
            ["rope_theta_hw"] = ThetaHw,
            ["sliding_window"] = null,
            ["tie_word_embeddings"] = Tied,
            ["use_sliding_window"] = false,
            ["vocab_size"] = Vocabulary,
        };
        JsonObject vision = new()
        {
            ["architectures"] = new JsonArray("NEOVisionModel"),
            ["model_type"] = "neo_vision",
            ["downsample_ratio"] = 1.0 / Merge,
            ["hidden_size"] = VisionWidth,
            ["llm_hidden_size"] = Hidden,
            ["max_position_embeddings_vision"] = 10000,
            ["min_pixels"] = MinPixels,
            ["max_pixels"] = MaxPixels,
            ["num_channels"] = 3,
            ["patch_size"] = SquareSize,
            ["rope_theta_vision"] = ThetaVision,
        };
        JsonObject config = new()
        {
            ["architectures"] = new JsonArray("NEOChatModel"),
            ["model_type"] = "neo_chat",
            ["tie_word_embeddings"] = Tied,
            ["torch_dtype"] = "float32",
            ["llm_config"] = llm,
            ["vision_config"] = vision,
        };
        switch (Form)
        {
            case Style.Neo15:
                config["img_start_token_id"] = BeginToken;
                config["img_context_token_id"] = ImageToken;
                config["hidden_size"] = Hidden;
                config["eos_token_id"] = TurnEndToken;
                config["pad_token_id"] = 3;
                llm["extra_num_layers"] = 1;
                llm["pad_token_id"] = 3;
                vision["tie_word_embeddings"] = true;
                vision["num_beams"] = 1;
                llm["dtype"] = "float32";
                llm["layer_types"] = new JsonArray([.. Enumerable.Repeat("full_attention", Layers).Select(type => (JsonNode)type)]);
                llm["rope_parameters"] = new JsonObject { ["rope_theta"] = Theta, ["rope_type"] = "default" };
                llm.Remove("rope_theta");
                vision["downsample_ratio"] = new JsonArray(1.0 / Merge);
                vision["llm_hidden_size"] = new JsonArray(Hidden);
                break;
            case Style.SenseNovaU1:
                config["template"] = "neo1_0";
                config["downsample_ratio"] = 1.0 / Merge;
                config["eos_token_id"] = TurnEndToken;
                config["patch_size"] = SquareSize;
                config["min_pixels"] = MinPixels;
                config["max_pixels"] = MaxPixels;
                config["pad_token_id"] = 3;
                foreach (string key in new[] { "timestep_shift", "base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len",
                    "noise_scale_base_image_seq_len", "noise_scale_max_value", "noise_scale", "P_mean", "P_std", "t_eps", "fm_head_dim", "fm_head_layers",
                    "fm_head_mlp_ratio", "extra_num_layers_post", "concat_time_token_num" })
                    config[key] = 1;
                foreach (string key in new[] { "time_schedule", "time_shift_type", "noise_scale_mode" })
                    config[key] = "standard";
                foreach (string key in new[] { "add_noise_scale_embedding", "use_pixel_head", "use_adaLN" })
                    config[key] = false;
                llm["_name_or_path"] = null;
                llm["bos_token_id"] = 2;
                llm["eos_token_id"] = TurnEndToken;
                llm["use_cache"] = false;
                vision["attention_dropout"] = 0.0;
                vision["transformers_version"] = "4.37.2";
                llm["use_deepep"] = false;
                llm["pure_llm"] = false;
                break;
            default:
                config["template"] = "neo1_0";
                config["downsample_ratio"] = 1.0 / Merge;
                config["use_llm_lora"] = 0;
                config["auto_map"] = new JsonObject { ["AutoModel"] = "modeling_neo_chat.NEOChatModel" };
                break;
        }

        return config;
    }

    public Dictionary<string, (long[] Shape, float[] Numbers)> Tensors()
    {
        TinyWeights weights = new(Seed, DType);
        bool splits = Form == Style.SenseNovaU1;
        Embedder("vision_model.embeddings");
        Fill("language_model.model.embed_tokens.weight", [Vocabulary, Hidden], 0, 1);
        for (int i = 0; i < Layers; i++)
        {
            string key = $"language_model.model.layers.{i}";
            Norm($"{key}.input_layernorm", Hidden);
            Norm($"{key}.post_attention_layernorm", Hidden);
            foreach ((string name, int heads) in new[] { ("q", Heads), ("k", KeyValueHeads) })
            {
                Matrix($"{key}.self_attn.{name}_proj", heads * HeadSize, Hidden);
                if (splits)
                {
                    Norm($"{key}.self_attn.{name}_norm", HeadSize / 2);
                    Norm($"{key}.self_attn.{name}_norm_hw", HeadSize / 2);
                    Matrix($"{key}.self_attn.{name}_proj_mot_gen", heads * HeadSize, Hidden);
                    continue;
                }

                Matrix($"{key}.self_attn.{name}_proj_hw", heads * HeadSize, Hidden);
                Norm($"{key}.self_attn.{name}_norm", HeadSize);
                Norm($"{key}.self_attn.{name}_norm_h", HeadSize / 2);
                Norm($"{key}.self_attn.{name}_norm_w", HeadSize / 2);
            }

            Matrix($"{key}.self_attn.v_proj", KeyValueHeads * HeadSize, Hidden);
            Matrix($"{key}.self_attn.o_proj", Hidden, Heads * HeadSize);
            Matrix($"{key}.mlp.gate_proj", Intermediate, Hidden);
            Matrix($"{key}.mlp.up_proj", Intermediate, Hidden);
            Matrix($"{key}.mlp.down_proj", Hidden, Intermediate);
        }

        Norm("language_model.model.norm", Hidden);
        if (!Tied)
            Matrix("language_model.lm_head", Vocabulary, Hidden);
        if (splits)
        {
            Embedder("fm_modules.vision_model_mot_gen.embeddings");
            Norm("language_model.model.norm_mot_gen", Hidden);
            Matrix("fm_modules.fm_head.0", 8, Hidden);
        }

        return weights.Tensors;

        void Embedder(string key)
        {
            Fill($"{key}.patch_embedding.weight", [VisionWidth, 3, SquareSize, SquareSize], 0, 1 / Math.Sqrt(3 * SquareSize * SquareSize));
            Fill($"{key}.patch_embedding.bias", [VisionWidth], 0, 0.3);
            Fill($"{key}.dense_embedding.weight", [Hidden, VisionWidth, Merge, Merge], 0, 2 / Math.Sqrt(VisionWidth * Merge * Merge));
            Fill($"{key}.dense_embedding.bias", [Hidden], 0, 0.3);
        }

        void Matrix(string name, int rows, int width) => Fill($"{name}.weight", [rows, width], 0, 1.2 / Math.Sqrt(width));

        void Norm(string name, int length) => Fill($"{name}.weight", [length], 1, 0.3);

        void Fill(string name, long[] shape, double mean, double deviation) => weights.Fill(name, shape, mean, deviation);
    }

    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), Config().ToJsonString());
        if (Form != Style.Neo15)
            File.WriteAllText(Path.Combine(folder, "added_tokens.json"),
                new JsonObject { ["<IMG_CONTEXT>"] = ImageToken, ["<img>"] = BeginToken, ["</img>"] = EndToken }.ToJsonString());
        SafetensorsWriter.WriteShards(folder, DType, Shards, [.. Tensors().Select(entry => (entry.Key, entry.Value.Shape, entry.Value.Numbers))]);
    }

    /// <summary>A short name for tests.</summary>
    public override string ToString() =>
        $"{Form}, {DType}, {Heads}/{KeyValueHeads} heads of {HeadSize}, " +
            $"thetas {Theta} {ThetaHw} {ThetaVision}, {Merge}×{SquareSize} px, {Shards} shards{(Tied ? ", tied" : "")}";
}
