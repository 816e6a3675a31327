using System.Text.Json.Nodes;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>
/// A unified_decoder with random weights, small enough to run by plain loops: its sizes, its tensors, and the Hugging Face folder made of them.
/// </summary>
internal sealed record TinyModel
{
    public int Seed { get; init; } = 1;

    public int Vocabulary { get; init; } = 96;

    public int Hidden { get; init; } = 64;

    public int Intermediate { get; init; } = 96;

    public int Layers { get; init; } = 2;

    public int Heads { get; init; } = 4;

    public int KeyValueHeads { get; init; } = 2;

    public int HeadSize { get; init; } = 16;

    public double Theta { get; init; } = 10000;

    public double Epsilon { get; init; } = 1e-6;

    public int Context { get; init; } = 128;

    public bool Tied { get; init; } = true;

    public int PatchSize { get; init; } = 4;

    /// <summary>Rows of the learned row and column tables; 0 for none.</summary>
    public int PatchRows { get; init; } = 6;

    public int PatchColumns { get; init; } = 7;

    public double[] Mean { get; init; } = [0.48, 0.46, 0.41];

    public double[] Std { get; init; } = [0.27, 0.26, 0.28];

    public string DType { get; init; } = "BF16";

    public const int EndToken = 1, PaddingToken = 0, ImageToken = 2, RowEndToken = 3, ImageStartToken = 4, ImageEndToken = 5;

    public int PatchWidth => 3 * PatchSize * PatchSize;

    /// <summary>All tensors, name to (shape, numbers); the numbers are already rounded to <see cref="DType"/>.</summary>
    public Dictionary<string, (long[] Shape, float[] Numbers)> Tensors()
    {
        TinyWeights weights = new(Seed, DType);
        Matrix("model.embed_tokens.weight", Vocabulary, Hidden, 1);
        Matrix("model.patch_embed.weight", Hidden, PatchWidth, 1 / Math.Sqrt(PatchWidth));
        Vector("model.patch_embed.bias", Hidden, 0, 0.3);
        if (PatchRows > 0)
            Matrix("model.patch_row_embed.weight", PatchRows, Hidden, 0.5);
        if (PatchColumns > 0)
            Matrix("model.patch_column_embed.weight", PatchColumns, Hidden, 0.5);
        for (int i = 0; i < Layers; i++)
        {
            string key = $"model.layers.{i}";
            Vector($"{key}.input_layernorm.weight", Hidden, 1, 0.2);
            Matrix($"{key}.self_attn.q_proj.weight", Heads * HeadSize, Hidden, 1.5 / Math.Sqrt(Hidden));
            Matrix($"{key}.self_attn.k_proj.weight", KeyValueHeads * HeadSize, Hidden, 1.5 / Math.Sqrt(Hidden));
            Matrix($"{key}.self_attn.v_proj.weight", KeyValueHeads * HeadSize, Hidden, 1 / Math.Sqrt(Hidden));
            Matrix($"{key}.self_attn.o_proj.weight", Hidden, Heads * HeadSize, 1 / Math.Sqrt(Heads * HeadSize));
            Vector($"{key}.post_attention_layernorm.weight", Hidden, 1, 0.2);
            Matrix($"{key}.mlp.gate_proj.weight", Intermediate, Hidden, 1 / Math.Sqrt(Hidden));
            Matrix($"{key}.mlp.up_proj.weight", Intermediate, Hidden, 1 / Math.Sqrt(Hidden));
            Matrix($"{key}.mlp.down_proj.weight", Hidden, Intermediate, 1 / Math.Sqrt(Intermediate));
        }

        Vector("model.norm.weight", Hidden, 1, 0.2);
        if (!Tied)
            Matrix("lm_head.weight", Vocabulary, Hidden, 1 / Math.Sqrt(Hidden));
        return weights.Tensors;

        void Matrix(string name, int rows, int columns, double deviation) => Fill(name, [rows, columns], 0, deviation);

        void Vector(string name, int length, double mean, double deviation) => Fill(name, [length], mean, deviation);

        void Fill(string name, long[] shape, double mean, double deviation) => weights.Fill(name, shape, mean, deviation);
    }

    public JsonObject Config() => new()
    {
        ["architectures"] = new JsonArray("UnifiedDecoderForCausalLM"),
        ["model_type"] = "unified_decoder",
        ["torch_dtype"] = "bfloat16",
        ["vocab_size"] = Vocabulary,
        ["hidden_size"] = Hidden,
        ["intermediate_size"] = Intermediate,
        ["num_hidden_layers"] = Layers,
        ["num_attention_heads"] = Heads,
        ["num_key_value_heads"] = KeyValueHeads,
        ["head_dim"] = HeadSize,
        ["hidden_act"] = "silu",
        ["rms_norm_eps"] = Epsilon,
        ["rope_theta"] = Theta,
        ["max_position_embeddings"] = Context,
        ["tie_word_embeddings"] = Tied,
        ["attention_bias"] = false,
        ["patch_size"] = PatchSize,
        ["num_patch_rows"] = PatchRows,
        ["num_patch_columns"] = PatchColumns,
        ["bos_token_id"] = null,
        ["eos_token_id"] = EndToken,
        ["pad_token_id"] = PaddingToken,
        ["image_token_id"] = ImageToken,
        ["image_row_end_token_id"] = RowEndToken,
        ["image_start_token_id"] = ImageStartToken,
        ["image_end_token_id"] = ImageEndToken,
    };

    public JsonObject Preprocessor() => new()
    {
        ["image_processor_type"] = "UnifiedDecoderImageProcessor",
        ["do_resize"] = true,
        ["resample"] = 2,
        ["patch_size"] = PatchSize,
        ["max_patches"] = 32,
        ["max_patch_rows"] = PatchRows > 0 ? PatchRows : 8,
        ["max_patch_columns"] = PatchColumns > 0 ? PatchColumns : 8,
        ["max_enlargement"] = 1.5,
        ["image_mean"] = new JsonArray([.. Mean.Select(mean => (JsonNode)mean)]),
        ["image_std"] = new JsonArray([.. Std.Select(std => (JsonNode)std)]),
        ["padding"] = "edge",
    };

    /// <summary>Writes the Hugging Face folder; the tokenizer is a dummy, since an export only copies it.</summary>
    public void Write(string folder, int shards = 1)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), Config().ToJsonString());
        File.WriteAllText(Path.Combine(folder, "preprocessor_config.json"), Preprocessor().ToJsonString());
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}""");
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), "{}");
        SafetensorsWriter.WriteShards(folder, DType, shards, [.. Tensors().Select(entry => (entry.Key, entry.Value.Shape, entry.Value.Numbers))]);
    }

    /// <summary>A short name for tests.</summary>
    public override string ToString() =>
        $"{DType}, {Heads}/{KeyValueHeads} heads of {HeadSize}, hidden {Hidden}, {(Tied ? "tied" : "untied")}, tables {PatchRows}/{PatchColumns}";
}
