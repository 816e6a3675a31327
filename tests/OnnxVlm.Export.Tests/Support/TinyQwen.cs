using System.Text.Json.Nodes;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>
/// A qwen3_5 model with random weights, in the forms of its checkpoints: 3.5 and 3.6, layers by list or interval, tied or not, shards, element
/// types; small and odd sizes.
/// </summary>
internal sealed record TinyQwen
{
    public const int EndToken = 93, ImageToken = 90;

    public int Seed { get; init; } = 1;

    public int Hidden { get; init; } = 48;

    /// <summary>f for full attention, l for linear; null for one full layer after every three linear ones.</summary>
    public string? Kinds { get; init; } = "llfl";

    public int Layers => Kinds?.Length ?? 8;

    public int Heads { get; init; } = 4;

    public int KeyValueHeads { get; init; } = 2;

    public int HeadSize { get; init; } = 32;

    public double RotaryFactor { get; init; } = 0.5;

    public int[] Sections { get; init; } = [3, 3, 2];

    public double Theta { get; init; } = 10000;

    public int KeyHeads { get; init; } = 2;

    public int ValueHeads { get; init; } = 4;

    public int KeySize { get; init; } = 8;

    public int ValueSize { get; init; } = 12;

    public int Kernel { get; init; } = 4;

    public int Intermediate { get; init; } = 56;

    public int Vocabulary { get; init; } = 96;

    public int VisionWidth { get; init; } = 24;

    public int VisionHeads { get; init; } = 3;

    public int VisionDepth { get; init; } = 2;

    public int VisionIntermediate { get; init; } = 36;

    public int Places { get; init; } = 5;

    /// <summary>Side of a patch in pixels.</summary>
    public int SquareSize { get; init; } = 4;

    public int Merge { get; init; } = 2;

    public int Frames { get; init; } = 2;

    public bool Tied { get; init; } = true;

    public string DType { get; init; } = "F32";

    public int Shards { get; init; } = 1;

    /// <summary>Whether the configuration has the form of 3.6.</summary>
    public bool Is36 { get; init; }

    public int PatchSize => Merge * SquareSize;

    public bool IsFull(int layer) => Kinds is null ? layer % 4 == 3 : Kinds[layer] == 'f';

    public JsonObject Config()
    {
        JsonObject rope = new()
        {
            ["mrope_interleaved"] = true,
            ["mrope_section"] = new JsonArray([.. Sections.Select(section => (JsonNode)section)]),
            ["partial_rotary_factor"] = RotaryFactor,
            ["rope_theta"] = Theta,
            ["rope_type"] = "default",
        };
        JsonObject text = new()
        {
            ["attention_bias"] = false, ["attention_dropout"] = 0.0, ["attn_output_gate"] = true, ["dtype"] = "bfloat16", ["eos_token_id"] = EndToken,
            ["full_attention_interval"] = 4, ["head_dim"] = HeadSize,
            ["hidden_act"] = "silu", ["hidden_size"] = Hidden, ["initializer_range"] = 0.02, ["intermediate_size"] = Intermediate,
            ["linear_conv_kernel_dim"] = Kernel, ["linear_key_head_dim"] = KeySize,
            ["linear_num_key_heads"] = KeyHeads, ["linear_num_value_heads"] = ValueHeads, ["linear_value_head_dim"] = ValueSize,
            ["mamba_ssm_dtype"] = "float32", ["max_position_embeddings"] = 512,
            ["mlp_only_layers"] = new JsonArray(), ["model_type"] = "qwen3_5_text", ["mtp_num_hidden_layers"] = 1, ["mtp_use_dedicated_embeddings"] = Is36,
            ["num_attention_heads"] = Heads,
            ["num_hidden_layers"] = Layers, ["num_key_value_heads"] = KeyValueHeads, ["rms_norm_eps"] = 1e-6, ["rope_parameters"] = rope,
            ["tie_word_embeddings"] = Tied, ["use_cache"] = true, ["vocab_size"] = Vocabulary,
        };
        if (Kinds is not null)
            text["layer_types"] = new JsonArray([.. Kinds.Select(kind => (JsonNode)(kind == 'f' ? "full_attention" : "linear_attention"))]);
        if (Is36)
        {
            text["output_gate_type"] = "swish";
            text["partial_rotary_factor"] = RotaryFactor;
            text["bos_token_id"] = null;
            text["pad_token_id"] = null;
        }

        JsonObject vision = new()
        {
            ["deepstack_visual_indexes"] = new JsonArray(), ["depth"] = VisionDepth, ["hidden_act"] = "gelu_pytorch_tanh", ["hidden_size"] = VisionWidth,
            ["in_channels"] = 3, ["initializer_range"] = 0.02,
            ["intermediate_size"] = VisionIntermediate, ["model_type"] = "qwen3_5", ["num_heads"] = VisionHeads, ["num_position_embeddings"] = Places * Places,
            ["out_hidden_size"] = Hidden,
            ["patch_size"] = SquareSize, ["spatial_merge_size"] = Merge, ["temporal_patch_size"] = Frames,
        };
        return new JsonObject
        {
            ["architectures"] = new JsonArray("Qwen3_5ForConditionalGeneration"), ["image_token_id"] = ImageToken, ["model_type"] = "qwen3_5",
            ["text_config"] = text, ["tie_word_embeddings"] = Tied,
            ["transformers_version"] = "4.57.0.dev0", ["video_token_id"] = 92, ["vision_config"] = vision, ["vision_end_token_id"] = 91,
            ["vision_start_token_id"] = 89,
        };
    }

    public JsonObject Preprocessor() => new()
    {
        ["size"] = new JsonObject { ["longest_edge"] = 65536, ["shortest_edge"] = PatchSize * PatchSize }, ["patch_size"] = SquareSize,
        ["temporal_patch_size"] = Frames, ["merge_size"] = Merge,
        ["image_mean"] = new JsonArray(0.5, 0.4, 0.6), ["image_std"] = new JsonArray(0.5, 0.6, 0.4), ["processor_class"] = "Qwen3VLProcessor",
        ["image_processor_type"] = "Qwen2VLImageProcessorFast",
    };

    public Dictionary<string, (long[] Shape, float[] Numbers)> Tensors()
    {
        TinyWeights weights = new(Seed, DType);
        Fill("model.language_model.embed_tokens.weight", [Vocabulary, Hidden], 0, 1);
        for (int i = 0; i < Layers; i++)
        {
            string key = $"model.language_model.layers.{i}";
            Fill($"{key}.input_layernorm.weight", [Hidden], 0, 0.3);
            Fill($"{key}.post_attention_layernorm.weight", [Hidden], 0, 0.3);
            Mlp(key);
            if (IsFull(i))
            {
                Attention(key);
                continue;
            }

            int keys = KeyHeads * KeySize, values = ValueHeads * ValueSize;
            Matrix($"{key}.linear_attn.in_proj_qkv", (2 * keys) + values, Hidden);
            Matrix($"{key}.linear_attn.in_proj_z", values, Hidden);
            Matrix($"{key}.linear_attn.in_proj_b", ValueHeads, Hidden);
            Matrix($"{key}.linear_attn.in_proj_a", ValueHeads, Hidden);
            Matrix($"{key}.linear_attn.out_proj", Hidden, values);
            Fill($"{key}.linear_attn.conv1d.weight", [(2 * keys) + values, 1, Kernel], 0.2, 0.5);
            Fill($"{key}.linear_attn.A_log", [ValueHeads], 0, 0.7);
            Fill($"{key}.linear_attn.dt_bias", [ValueHeads], -1, 0.7);
            Fill($"{key}.linear_attn.norm.weight", [ValueSize], 1, 0.3);
        }

        Fill("model.language_model.norm.weight", [Hidden], 0, 0.3);
        if (!Tied)
            Matrix("lm_head", Vocabulary, Hidden);
        Vision();
        Attention("mtp.layers.0");
        Mlp("mtp.layers.0");
        Matrix("mtp.fc", Hidden, 2 * Hidden);
        if (Is36)
            Fill("mtp.embed_tokens.weight", [Vocabulary, Hidden], 0, 1);
        Fill("mtp.norm.weight", [Hidden], 0, 0.3);
        return weights.Tensors;

        void Mlp(string key)
        {
            Matrix($"{key}.mlp.gate_proj", Intermediate, Hidden);
            Matrix($"{key}.mlp.up_proj", Intermediate, Hidden);
            Matrix($"{key}.mlp.down_proj", Hidden, Intermediate);
        }

        void Attention(string key)
        {
            Matrix($"{key}.self_attn.q_proj", 2 * Heads * HeadSize, Hidden);
            Matrix($"{key}.self_attn.k_proj", KeyValueHeads * HeadSize, Hidden);
            Matrix($"{key}.self_attn.v_proj", KeyValueHeads * HeadSize, Hidden);
            Matrix($"{key}.self_attn.o_proj", Hidden, Heads * HeadSize);
            Fill($"{key}.self_attn.q_norm.weight", [HeadSize], 0, 0.3);
            Fill($"{key}.self_attn.k_norm.weight", [HeadSize], 0, 0.3);
        }

        void Vision()
        {
            Fill("model.visual.patch_embed.proj.weight", [VisionWidth, 3, Frames, SquareSize, SquareSize], 0, 1 / Math.Sqrt(3 * SquareSize * SquareSize));
            Fill("model.visual.patch_embed.proj.bias", [VisionWidth], 0, 0.3);
            Fill("model.visual.pos_embed.weight", [Places * Places, VisionWidth], 0, 1);
            for (int i = 0; i < VisionDepth; i++)
            {
                string key = $"model.visual.blocks.{i}";
                LayerNorm($"{key}.norm1", VisionWidth);
                LayerNorm($"{key}.norm2", VisionWidth);
                Affine($"{key}.attn.qkv", 3 * VisionWidth, VisionWidth);
                Affine($"{key}.attn.proj", VisionWidth, VisionWidth);
                Affine($"{key}.mlp.linear_fc1", VisionIntermediate, VisionWidth);
                Affine($"{key}.mlp.linear_fc2", VisionWidth, VisionIntermediate);
            }

            int merged = Merge * Merge * VisionWidth;
            LayerNorm("model.visual.merger.norm", VisionWidth);
            Affine("model.visual.merger.linear_fc1", merged, merged);
            Affine("model.visual.merger.linear_fc2", Hidden, merged);
        }

        void LayerNorm(string name, int length)
        {
            Fill($"{name}.weight", [length], 1, 0.3);
            Fill($"{name}.bias", [length], 0, 0.3);
        }

        void Affine(string name, int rows, int width)
        {
            Matrix(name, rows, width);
            Fill($"{name}.bias", [rows], 0, 0.3);
        }

        void Matrix(string name, int rows, int width) => Fill($"{name}.weight", [rows, width], 0, 1.2 / Math.Sqrt(width));

        void Fill(string name, long[] shape, double mean, double deviation) => weights.Fill(name, shape, mean, deviation);
    }

    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), Config().ToJsonString());
        File.WriteAllText(Path.Combine(folder, "preprocessor_config.json"), Preprocessor().ToJsonString());
        SafetensorsWriter.WriteShards(folder, DType, Shards, [.. Tensors().Select(entry => (entry.Key, entry.Value.Shape, entry.Value.Numbers))]);
    }

    /// <summary>A short name for tests.</summary>
    public override string ToString() =>
        $"{DType}, {Kinds ?? "interval"}, {Heads}/{KeyValueHeads} heads of {HeadSize}, {RotaryFactor:P0} rotated, " +
            $"delta {KeyHeads}/{ValueHeads} of {KeySize}x{ValueSize}, kernel {Kernel}, " +
            $"vision {VisionDepth} of {VisionHeads}x{VisionWidth / VisionHeads}, {Merge}×{SquareSize} px{(Tied ? ", tied" : "")}{(Is36 ? ", 3.6" : "")}";
}
