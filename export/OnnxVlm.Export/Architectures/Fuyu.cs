using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.HuggingFace;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.Architectures;

/// <summary>
/// <c>fuyu</c> (adept/fuyu-8b): a Persimmon decoder that reads image patches through one linear layer. It has pre-LayerNorm with biases, one matrix
/// that holds q, k and v head by head, LayerNorm of each head's q and k, rotary positions on a part of each head, and squared ReLU. The references
/// are transformers' <c>modeling_persimmon.py</c>, <c>modeling_fuyu.py</c> and <c>image_processing_fuyu.py</c>. A missing key has their default.
/// </summary>
internal static class Fuyu
{
    public const string ModelType = "fuyu";

    /// <summary>The ids of adept/fuyu-8b's |SPEAKER| and |NEWLINE|, which older configurations leave to the tokenizer.</summary>
    private const int Speaker = 71011, NewLine = 71019;

    private static readonly DefaultChatTemplate Template = new("Fuyu", "<s>", "<0x04>", "|SPEAKER|", "|NEWLINE|");

    public static ModelDescription Build(ModelGraph m, HfConfig c, HfConfig images, TokenizerFile? tokenizer)
    {
        c.Flatten("text_config");
        c.Flatten("rope_parameters");
        if (c.OptionalText("model_type") is not (ModelType or "persimmon") || c.OptionalText("text_model_type") is not (null or "persimmon"))
            throw new UnsupportedModelException($"{c.Path}: text_config.model_type: only persimmon is implemented, found {c.OptionalText("model_type")}");
        c.ExpectIfPresent("rope_type", "default");
        c.ExpectIfPresent("hidden_act", "relu2");
        int hidden = c.RequireCount("hidden_size"), intermediate = c.RequireCount("intermediate_size"), layers = c.RequireCount("num_hidden_layers", max: 1024);
        int vocabulary = c.RequireCount("vocab_size"), context = c.RequireCount("max_position_embeddings");
        float epsilon = (float)(c.Optional<double>("layer_norm_eps") ?? 1e-5);
        bool isTied = c.Optional<bool>("tie_word_embeddings") ?? false;
        bool normalizeHeads = c.Optional<bool>("qk_layernorm") ?? true;
        AttentionShape attention = ReadAttention(c, hidden);
        PartialRotary rotation = ReadRotation(c, attention.HeadSize);
        string decoder = m.Weights.PrefixOf("embed_tokens.weight");
        PatchProjection projection = ReadProjection(c, images, hidden, m.Weights.PrefixOf("vision_embed_tokens.weight"));
        ImageRules rules = ReadImageRules(c, images, tokenizer, projection, vocabulary);

        RotaryTables rotary = rotation.CreateTables(m, context);
        SequenceLengths lengths = SequenceLengths.Create(m);
        (Value x, EmbeddingMatrix embedding) = m.Embed($"{decoder}embed_tokens", vocabulary, hidden, isTied);    // [B, S, H]
        ResidualStream h = new(m, m.InsertPatches(x, rules.Tokens.Placeholder, projection), hidden);
        for (int i = 0; i < layers; i++)
        {
            string key = $"{decoder}layers.{i}";
            (Value q, Value k, Value v) = QueryKeyValue(
                m, $"{key}.self_attn", h.LayerNorm($"{key}.input_layernorm", epsilon), attention, rotation, normalizeHeads, epsilon);
            Value attended = m.Attend($"{key}.self_attn", i, q, k, v, attention, rotary, lengths);
            h.Add(Linear(m, $"{key}.self_attn.dense", attended, hidden, hidden));
            if (i == layers - 1)
                h.KeepLastToken("last_token");                                                               // [B, 1, H] from here on
            Value up = Linear(m, $"{key}.mlp.dense_h_to_4h", h.LayerNorm($"{key}.post_attention_layernorm", epsilon), hidden, intermediate);
            Value relu = m.Graph.Node("Relu", $"{key}.mlp", up).Output(m.Type);
            Value squared = m.Graph.Node("Mul", $"{key}.mlp", relu, relu).Output(m.Type);
            h.Add(Linear(m, $"{key}.mlp.dense_4h_to_h", squared, intermediate, hidden));
        }

        EmbeddingMatrix head = isTied
            ? embedding.AsHead(m)
            : EmbeddingMatrix.Head(m, $"{m.Weights.PrefixOf("lm_head.weight")}lm_head", vocabulary, hidden);
        m.Logits(h.LayerNorm($"{decoder}final_layernorm", epsilon), head, vocabulary);                       // [B, 1, vocabulary]

        m.Weights.Ignore(".rotary_emb.inv_freq");
        c.Ignore("image_size");
        return new ModelDescription
        {
            Architecture = ModelType,
            Vocabulary = vocabulary,
            ContextLength = context,
            Layers = layers,
            Attention = attention,
            BeginTokenId = c.OptionalTokenId("bos_token_id", vocabulary),
            EndTokenIds = c.OneOrMore("eos_token_id"),
            PaddingTokenId = c.OptionalTokenId("pad_token_id", vocabulary),
            Image = rules,
            Template = Template,
        };
    }

    /// <summary>
    /// q, k and v of [B, S, H]. The checkpoint orders the matrix's rows by (head, q|k|v, index in the head); they are stacked here as (q|k|v, head, index).
    /// </summary>
    private static (Value Q, Value K, Value V) QueryKeyValue(
        ModelGraph m, string key, Value x, AttentionShape shape, PartialRotary rotation, bool normalizeHeads, float epsilon)
    {
        int[] straight = [.. Enumerable.Range(0, shape.HeadSize)];
        int[] order = [.. Part(0, rotation.Order), .. Part(1, rotation.Order), .. Part(2, straight)];
        StackedMatrix rows = new(m.Weights.Take($"{key}.query_key_value.weight", order.Length, shape.Hidden), order);
        Value packed = m.Linear($"{key}.query_key_value", x, rows, m.Vector($"{key}.query_key_value.bias", order));
        NodeBuilder split = m.Graph.Node("Split", key, packed).Set("axis", -1).Set("num_outputs", 3);
        Value q = split.Output(m.Type), k = split.Output(m.Type), v = split.Output(m.Type);
        return normalizeHeads ? (NormalizeHeads(q, "q_layernorm"), NormalizeHeads(k, "k_layernorm"), v) : (q, k, v);

        IEnumerable<int> Part(int part, int[] inHead) =>
            Enumerable.Range(0, shape.Heads).SelectMany(head => inHead.Select(i => (((head * 3) + part) * shape.HeadSize) + i));

        Value NormalizeHeads(Value heads, string name)
        {
            string path = $"{key}.{name}";
            Value weight = m.Vector($"{path}.weight", rotation.Order), bias = m.Vector($"{path}.bias", rotation.Order);
            Value apart = m.Graph.Node("Reshape", $"{path}.apart", heads, m.Graph.Constant(0, 0, shape.Heads, shape.HeadSize)).Output(m.Type);
            Value y = m.Graph.Node("LayerNormalization", path, apart, weight, bias).Set("axis", -1).Set("epsilon", epsilon).Output(m.Type);
            return m.Graph.Node("Reshape", $"{path}.together", y, m.Graph.Constant(0, 0, shape.Hidden)).Output(m.Type);
        }
    }

    private static Value Linear(ModelGraph m, string key, Value x, int inputs, int outputs) =>
        m.Linear(key, x, new StackedMatrix(m.Weights.Take($"{key}.weight", outputs, inputs)), m.Vector($"{key}.bias", m.Type, outputs));

    private static AttentionShape ReadAttention(HfConfig c, int hidden)
    {
        int heads = c.RequireCount("num_attention_heads");
        c.ExpectIfPresent("num_key_value_heads", heads);
        if (hidden % heads != 0)
            throw new ModelLoadException($"{c.Path}: num_attention_heads: expected a divisor of hidden_size ({hidden}), found {heads}");
        c.ExpectIfPresent("head_dim", hidden / heads);
        return new AttentionShape(hidden, heads, heads, hidden / heads);
    }

    private static PartialRotary ReadRotation(HfConfig c, int headSize)
    {
        if (c.Has("rope_scaling"))
            throw new UnsupportedModelException($"{c.Path}: rope_scaling: only null is implemented");
        double factor = c.Optional<double>("partial_rotary_factor") ?? 0.5;
        int rotated = (int)(factor * headSize);
        if (rotated < 2 || rotated > headSize || rotated % 2 != 0)
            throw new ModelLoadException(
                $"{c.Path}: partial_rotary_factor: expected an even number of 2 to {headSize} rotated numbers in a head, found {rotated}");
        return PartialRotary.TryCreate(headSize, rotated, c.Optional<double>("rope_theta") ?? 25000)
            ?? throw new UnsupportedModelException($"{c.Path}: partial_rotary_factor: {rotated} rotated numbers in a head of {headSize} are not implemented");
    }

    private static PatchProjection ReadProjection(HfConfig c, HfConfig images, int hidden, string prefix)
    {
        c.ExpectIfPresent("num_channels", 3);
        bool normalize = images.Optional<bool>("do_normalize") ?? true, rescale = images.Optional<bool>("do_rescale") ?? true;
        double[] mean = images.Has("image_mean") ? images.RequireChannels("image_mean") : [0.5, 0.5, 0.5];
        double[] std = images.Has("image_std") ? images.RequireChannels("image_std") : [0.5, 0.5, 0.5];
        double factor = images.Optional<double>("rescale_factor") ?? (1 / 255.0);
        if (std.Any(deviation => !(deviation > 0)))
            throw new ModelLoadException($"{images.Path}: image_std: expected deviations above 0");
        return new PatchProjection
        {
            Key = $"{prefix}vision_embed_tokens",
            PatchSize = c.Optional<int>("patch_size") is null ? 30 : c.RequireCount("patch_size", max: 256),
            Hidden = hidden,
            Rescale = rescale ? factor : 1,
            Mean = normalize ? mean : [0, 0, 0],
            Std = normalize ? std : [1, 1, 1],
        };
    }

    private static ImageRules ReadImageRules(HfConfig c, HfConfig images, TokenizerFile? tokenizer, PatchProjection projection, int vocabulary)
    {
        if (images.OptionalText("image_processor_type") is not (null or "FuyuImageProcessor" or "FuyuImageProcessorFast"))
            images.Expect("image_processor_type", "FuyuImageProcessor");
        images.ExpectIfPresent("do_resize", true);
        images.ExpectIfPresent("do_pad", true);
        images.ExpectIfPresent("padding_mode", "constant");
        images.Ignore("processor_class", "do_convert_rgb", "data_format", "input_data_format", "default_to_square");
        if (images.Has("patch_size") && images.RequireSize("patch_size") is var side && side != (projection.PatchSize, projection.PatchSize))
            throw new ModelLoadException(
                $"{images.Path}: patch_size: expected {projection.PatchSize} by {projection.PatchSize} as in config.json, found {side.Height} by {side.Width}");
        (int height, int width) = images.Has("size") ? images.RequireSize("size") : (1080, 1920);

        // The reference pads before it rescales, so the value is between 0 and 255.
        double padding = images.Optional<double>("padding_value") ?? 1;
        if (padding is not (>= 0 and <= 255) || padding != Math.Floor(padding))
            throw new UnsupportedModelException($"{images.Path}: padding_value: only whole numbers from 0 to 255 are implemented, found {padding}");

        int placeholder = c.OptionalTokenId("image_token_id", vocabulary) ?? tokenizer?.Find("|SPEAKER|") ?? (vocabulary > NewLine ? Speaker : (int?)null)
            ?? throw new ModelLoadException($"{c.Path}: image_token_id is missing, and there is no tokenizer.json to find it in");
        return new ImageRules
        {
            PatchSize = projection.PatchSize,
            PatchLayout = PatchLayout.RowColumnChannel,
            Resize = new ResizeRule
            {
                Rule = ResizeMode.ShrinkToBox,
                Filter = images.Has("resample") ? images.RequireFilter("resample") : ResizeFilter.Bilinear,
                MaxHeightPx = height,
                MaxWidthPx = width,
            },
            Padding = new PaddingRule { Mode = PaddingMode.Constant, Value = (int)padding },
            HasPositions = false,
            Tokens = new ImageTokens
            {
                Placeholder = placeholder,
                RowEnd = tokenizer?.Find("|NEWLINE|") ?? (placeholder == Speaker ? NewLine : (int?)null),
                End = tokenizer?.Find("<s>"),
            },
        };
    }
}
