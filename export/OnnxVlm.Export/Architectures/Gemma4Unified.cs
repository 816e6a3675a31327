using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.HuggingFace;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.Architectures;

/// <summary>
/// <c>gemma4_unified</c> (google/gemma-4-12B-it): five sliding-window layers, then one global-attention layer whose heads have another size. In the
/// sliding-window layers the tokens of an image attend to each other in both directions. There is a norm before and after each branch; heads are
/// normalized, the GELU is gated, each layer has a scalar, and the logits are soft-capped. A patch of 48 pixels goes through norms, one linear layer
/// and learned vectors of its column and row. The reference is transformers' <c>modeling_gemma4_unified.py</c>, with the masks of generation with a
/// static cache. A missing key has its default. Audio is left out.
/// </summary>
internal static class Gemma4Unified
{
    public const string ModelType = "gemma4_unified";

    private const string Sliding = "sliding_attention", Full = "full_attention";

    /// <summary>PyTorch's default; the patch norms do not set another.</summary>
    private const double LayerNormEpsilon = 1e-5;

    /// <summary>Image budgets, in patches, that the model was trained with.</summary>
    private static readonly int[] Budgets = [70, 140, 280, 560, 1120];

    public static ModelDescription Build(ModelGraph m, HfConfig c, HfConfig images, TokenizerFile? tokenizer)
    {
        // These are the whole model's; the decoder's section has keys of the same name.
        int[] ends = c.OneOrMore("eos_token_id");
        bool isTied = c.Optional<bool>("tie_word_embeddings") ?? true;
        c.Flatten("text_config");
        RefuseOthers(c);
        int hidden = c.RequireCount("hidden_size"), intermediate = c.RequireCount("intermediate_size");
        int vocabulary = c.RequireCount("vocab_size"), context = c.RequireCount("max_position_embeddings");
        float epsilon = Epsilon(c);
        string[] kinds = ReadKinds(c);
        AttentionShape[] shapes = [.. kinds.Index().Select(layer => ReadShape(c, layer.Index, layer.Item, hidden))];
        HfConfig vision = c.Section("vision_config");
        ImageRules rules = ReadImageRules(c, images, vision, vocabulary);
        float? softcap = (float?)c.Optional<double>("final_logit_softcapping");
        bool keyIsValue = c.Optional<bool>("attention_k_eq_v") ?? false;

        SequenceLengths lengths = SequenceLengths.Create(m, withPast: true, withWindow: kinds.Contains(Sliding));
        Dictionary<(string, int), RotaryTables> rotary = CreateTables(m, c, kinds, shapes, context);
        PatchInputs patches = new(m, rules.Tokens.Placeholder, 3 * rules.PatchSize * rules.PatchSize, hasPositions: true);
        ImageAttention? bidirectionalImageAttention = HasBidirectionalImageAttention(c) && kinds.Contains(Sliding)
            ? new ImageAttention(m, patches, lengths, shapes[Array.IndexOf(kinds, Sliding)].Window)
            : null;

        string decoder = m.Weights.PrefixOf("embed_tokens.weight");
        (Value embedded, EmbeddingMatrix embedding) = m.Embed($"{decoder}embed_tokens", vocabulary, hidden, isTied);        // [B, S, H]
        Value text = m.Graph.Node("Mul", "embedding_scale", embedded, m.Graph.Scalar((float)Math.Sqrt(hidden), m.Type)).Output(m.Type);
        Value x = patches.Insert(text, ProjectPatches(m, vision, patches, rules.PatchSize, images.Optional<double>("rescale_factor") ?? (1 / 255.0), hidden));
        ResidualStream h = new(m, x, hidden);
        for (int i = 0; i < kinds.Length; i++)
        {
            string key = $"{decoder}layers.{i}";
            bool slides = kinds[i] == Sliding;
            (Value q, Value k, Value v) = QueryKeyValue(
                m, $"{key}.self_attn", h.RmsNorm($"{key}.input_layernorm", epsilon), shapes[i], keyIsValue && !slides, epsilon);
            Value attended = m.Attend(
                $"{key}.self_attn", i, q, k, v, shapes[i], rotary[(kinds[i], shapes[i].HeadSize)], lengths, slides ? bidirectionalImageAttention : null);
            Value output = m.Linear($"{key}.self_attn.o_proj", attended, shapes[i].Heads * shapes[i].HeadSize, ($"{key}.self_attn.o_proj.weight", hidden));
            h.Add(Norm(m, $"{key}.post_attention_layernorm", output, hidden, epsilon));
            if (i == kinds.Length - 1)
                h.KeepLastToken("last_token");                                                              // [B, 1, H] from here on
            Value mlp = m.GeluMlp($"{key}.mlp", h.RmsNorm($"{key}.pre_feedforward_layernorm", epsilon), hidden, intermediate);
            h.Add(Norm(m, $"{key}.post_feedforward_layernorm", mlp, hidden, epsilon));
            h.Scale(key, m.Vector($"{key}.layer_scalar", m.Type, 1));
        }

        EmbeddingMatrix head = isTied ? embedding.AsHead(m) : EmbeddingMatrix.Head(m, $"{m.Weights.PrefixOf("lm_head.weight")}lm_head", vocabulary, hidden);
        m.Logits(h.RmsNorm($"{decoder}norm", epsilon), head, vocabulary, softcap);                          // [B, 1, vocabulary]

        LeaveOut(m, c, images);
        return new ModelDescription
        {
            Architecture = ModelType,
            Vocabulary = vocabulary,
            ContextLength = context,
            Layers = kinds.Length,
            Attention = shapes[0],
            EvictingWindow = lengths.Window is null ? null : shapes[Array.IndexOf(kinds, Sliding)].Window,
            EvictingNumbers = lengths.Window is null ? 0 : shapes.Where(shape => shape.Window is not null).Sum(shape => (long)shape.CachedNumbers),
            CachedNumbers = shapes.Sum(shape => (long)shape.CachedNumbers),
            BeginTokenId = c.OptionalTokenId("bos_token_id", vocabulary),
            EndTokenIds = ends.Length > 0 ? ends : c.OneOrMore("eos_token_id"),
            PaddingTokenId = c.OptionalTokenId("pad_token_id", vocabulary),
            Image = rules with { BidirectionalAttention = bidirectionalImageAttention is not null },
            ToolSyntax = tokenizer?.Find("<|tool_call>") is not null && tokenizer.Find("<tool_call|>") is not null && tokenizer.Find("<|\"|>") is not null
                ? "gemma"
                : null,
            Reasoning = tokenizer?.Find("<|channel>") is int begin && tokenizer.Find("<channel|>") is int end
                ? new ReasoningTokens { Begin = begin, End = end, Header = "thought\n" }
                : null,
        };
    }

    /// <summary>q and k with normalized heads, and v: a projection of its own, or that of k, normalized without weights.</summary>
    private static (Value Q, Value K, Value V) QueryKeyValue(ModelGraph m, string key, Value x, AttentionShape shape, bool keyIsValue, float epsilon)
    {
        int queries = shape.Heads * shape.HeadSize, keys = shape.KeyValueHeads * shape.HeadSize;
        Value[] parts = keyIsValue
            ? m.Project(key, x, shape.Hidden, ("q_proj", queries), ("k_proj", keys))
            : m.Project(key, x, shape.Hidden, ("q_proj", queries), ("k_proj", keys), ("v_proj", keys));
        Value ones = m.Graph.Weight($"{key}.v_norm", [.. Enumerable.Repeat(1f, shape.HeadSize)], m.Type, shape.HeadSize);
        return (
            Heads(parts[0], "q_norm", m.Vector($"{key}.q_norm.weight", m.Type, shape.HeadSize)),
            Heads(parts[1], "k_norm", m.Vector($"{key}.k_norm.weight", m.Type, shape.HeadSize)),
            Heads(parts[^1], "v_norm", ones));

        Value Heads(Value rows, string name, Value weight)
        {
            string path = $"{key}.{name}";
            Value apart = m.Graph.Node("Reshape", $"{path}.apart", rows, m.Graph.Constant(0, 0, -1, shape.HeadSize)).Output(m.Type);
            return m.Graph.Node("Reshape", $"{path}.together", m.RmsNorm(path, apart, weight, epsilon), m.Graph.Constant(0, 0, -1)).Output(m.Type);
        }
    }

    /// <summary>
    /// norm → linear → norm → + column and row → norm → RMS norm → linear, all in float32, because the first product can exceed what 16 bits
    /// hold. The pixels are bytes. A norm is invariant to a factor, so the rescaling factor r of the pixels goes into its ε: (r·u − r·m)/√(r²·v +
    /// ε) = (u − m)/√(v + ε/r²).
    /// </summary>
    private static Func<Value> ProjectPatches(ModelGraph m, HfConfig vision, PatchInputs patches, int patchSize, double rescale, int hidden)
    {
        GraphBuilder g = m.Graph;
        int width = 3 * patchSize * patchSize, size = vision.RequireCount("mm_embed_dim"), places = vision.RequireCount("mm_posemb_size");
        vision.ExpectIfPresent("output_proj_dims", size);
        string embedder = $"{m.Weights.PrefixOf("patch_dense.weight")}";
        string projection = $"{m.Weights.PrefixOf("embed_vision.embedding_projection.weight")}embed_vision.embedding_projection";
        (Value Weight, Value Bias) first = NormWeights("patch_ln1", width), second = NormWeights("patch_ln2", size), last = NormWeights("pos_norm", size);
        Value dense = Matrix($"{embedder}patch_dense.weight", size, width), bias = m.Vector($"{embedder}patch_dense.bias", ElementType.Float32, size);
        CheckpointTensor table = m.Weights.Take($"{embedder}pos_embedding", places, 2, size);
        // column 0, row 0, column 1, …
        Value columnsAndRows = m.Derive(table.Name, ElementType.Float32, [2L * places, size], [table], numbers => numbers[0]);
        Value ones = g.Weight($"{projection}.norm", [.. Enumerable.Repeat(1f, size)], ElementType.Float32, size);
        Value matrix = Matrix($"{projection}.weight", hidden, size);
        float epsilon = Epsilon(vision);
        return Project;

        Value Project()
        {
            // A norm is invariant to an offset, too. Around 0 the squares of thousands of pixels add up without losing digits.
            Value pixels = g.Node("Sub", "patches.pixels", g.Cast("patches.pixels", patches.Pixels, ElementType.Float32), g.Scalar(127.5f, ElementType.Float32))
                .Output(ElementType.Float32);
            Value product = m.Multiply("patches.dense", LayerNorm("patches.ln1", pixels, first, LayerNormEpsilon / (rescale * rescale)), dense)
                .Output(ElementType.Float32);
            Value projected = LayerNorm("patches.ln2", g.Node("Add", "patches.dense", product, bias).Output(ElementType.Float32), second, LayerNormEpsilon);

            Value doubled = g.Node("Mul", "patches.place", patches.Places("patches.place"), g.Constant(2)).Output(ElementType.Int64);
            Value index = g.Node("Add", "patches.place", doubled, g.Constant(0, 1)).Output(ElementType.Int64);
            Value both = g.Node("Gather", "patches.place", columnsAndRows, index).Set("axis", 0).Output(ElementType.Float32);   // [N, 2, size]
            Value place = g.Node("ReduceSum", "patches.place", both, g.Constant(1)).Set("keepdims", 0).Output(ElementType.Float32);
            Value placed = LayerNorm("patches.pos_norm", g.Node("Add", "patches.placed", projected, place).Output(ElementType.Float32), last, LayerNormEpsilon);

            Value result = m.Multiply("patches.projection", m.RmsNorm("patches.norm", placed, ones, epsilon), matrix).Output(ElementType.Float32);
            return m.Type == ElementType.Float32 ? result : g.Cast("patches.projection", result, m.Type);
        }

        (Value, Value) NormWeights(string name, int length) =>
            (m.Vector($"{embedder}{name}.weight", ElementType.Float32, length), m.Vector($"{embedder}{name}.bias", ElementType.Float32, length));

        Value Matrix(string key, int rows, int columns) => m.FloatMatrix(key, new StackedMatrix(m.Weights.Take(key, rows, columns)), ElementType.Float32);

        Value LayerNorm(string path, Value x, (Value Weight, Value Bias) norm, double constant) =>
            g.Node("LayerNormalization", path, x, norm.Weight, norm.Bias).Set("axis", -1).Set("epsilon", (float)constant).Output(ElementType.Float32);
    }

    private static Value Norm(ModelGraph m, string key, Value x, int width, float epsilon) =>
        m.RmsNorm(key, x, m.Vector($"{key}.weight", m.Type, width), epsilon);

    private static float Epsilon(HfConfig c) => (float)(c.Optional<double>("rms_norm_eps") ?? 1e-6);

    private static void RefuseOthers(HfConfig c)
    {
        if (c.OptionalText("model_type") is not (ModelType or "gemma4_unified_text"))
            throw new UnsupportedModelException(
                $"{c.Path}: text_config.model_type: only gemma4_unified_text is implemented, found {c.OptionalText("model_type")}");
        c.ExpectIfPresent("hidden_activation", "gelu_pytorch_tanh");
        c.ExpectIfPresent("attention_bias", false);
        c.ExpectIfPresent("num_kv_shared_layers", 0);
        c.ExpectIfPresent("use_double_wide_mlp", false);

        // Parts of other Gemma 4 models, which converted configurations name and turn off.
        c.ExpectIfPresent("hidden_size_per_layer_input", 0);
        c.ExpectIfPresent("enable_moe_block", false);
    }

    /// <summary>The kind of each layer. The last layer has global attention, whatever the configuration says of it.</summary>
    private static string[] ReadKinds(HfConfig c)
    {
        int layers = c.RequireCount("num_hidden_layers", max: 1024);
        string[] kinds = c.Texts("layer_types") ?? [.. Enumerable.Range(1, layers).Select(i => i % 6 == 0 ? Full : Sliding)];
        if (kinds.Length != layers || kinds.Any(kind => kind is not (Sliding or Full)))
            throw new UnsupportedModelException($"{c.Path}: layer_types: expected {layers} times {Sliding} or {Full}, found {string.Join(", ", kinds)}");
        kinds[^1] = Full;
        return kinds;
    }

    /// <summary>
    /// Head size and key/value heads of global-attention layers come from <c>per_layer_config</c>. Otherwise one value for all of them comes from
    /// <c>global_head_dim</c> and, where the keys serve as values, from <c>num_global_key_value_heads</c>.
    /// </summary>
    private static AttentionShape ReadShape(HfConfig c, int layer, string kind, int hidden)
    {
        int heads = c.RequireCount("num_attention_heads"), keyValueHeads = c.RequireCount("num_key_value_heads"), size = c.RequireCount("head_dim", min: 2);
        int? window = kind == Sliding ? c.RequireCount("sliding_window") : null;
        if (c.Has("per_layer_config"))
        {
            HfConfig layers = c.Section("per_layer_config");
            layers.Ignore([.. Enumerable.Range(0, 1024).Select(i => $"{i}")]);
            if (layers.Has($"{layer}"))
            {
                HfConfig own = layers.Section($"{layer}");
                size = own.Optional<int>("head_dim") ?? size;
                keyValueHeads = own.Optional<int>("num_key_value_heads") ?? keyValueHeads;
            }
        }
        else if (kind == Full)
        {
            size = c.Optional<int>("global_head_dim") ?? 512;
            if (c.Optional<bool>("attention_k_eq_v") ?? false)
                keyValueHeads = c.Optional<int>("num_global_key_value_heads") ?? keyValueHeads;
        }

        c.Ignore("global_head_dim", "num_global_key_value_heads", "sliding_window");
        if (size < 2 || size % 2 != 0)
            throw new ModelLoadException($"{c.Path}: head_dim of layer {layer}: expected an even number, found {size}");
        if (keyValueHeads < 1 || heads % keyValueHeads != 0)
            throw new ModelLoadException(
                $"{c.Path}: num_attention_heads: expected a multiple of the {keyValueHeads} key/value heads of layer {layer}, found {heads}");
        return new AttentionShape(hidden, heads, keyValueHeads, size) { Scale = 1, Window = window, FillHalves = true };
    }

    /// <summary>A missing key means the default; a key that is null means that images are read causally, as text is.</summary>
    private static bool HasBidirectionalImageAttention(HfConfig c)
    {
        c.ExpectIfPresent("use_bidirectional_attention", "vision");
        return !c.IsNull("use_bidirectional_attention");
    }

    /// <summary>One pair of tables for each kind of layer and head size.</summary>
    private static Dictionary<(string, int), RotaryTables> CreateTables(ModelGraph m, HfConfig c, string[] kinds, AttentionShape[] shapes, int context)
    {
        HfConfig? parameters = c.Has("rope_parameters") ? c.Section("rope_parameters") : null;
        parameters?.Ignore(Sliding, Full);
        Dictionary<(string, int), RotaryTables> tables = [];
        foreach ((string kind, AttentionShape shape) in kinds.Zip(shapes).DistinctBy(layer => (layer.First, layer.Second.HeadSize)))
        {
            double[] frequencies = parameters?.Has(kind) != true
                ? (kind == Full ? Proportional(1e6, shape.HeadSize, 0.25) : RotaryTables.Frequencies(1e4, shape.HeadSize))
                : ReadFrequencies(parameters.Section(kind), shape.HeadSize);
            tables[(kind, shape.HeadSize)] = RotaryTables.Create(m, $"rotary.{kind}.{shape.HeadSize}", frequencies, context, shape.StoredHeadSize / 2);
        }

        return tables;
    }

    private static double[] ReadFrequencies(HfConfig rope, int size)
    {
        double theta = rope.Require<double>("rope_theta");
        if (rope.OptionalText("rope_type") is null or "default")
        {
            // The default rotates the whole head.
            rope.Ignore("partial_rotary_factor");
            return RotaryTables.Frequencies(theta, size);
        }

        rope.Expect("rope_type", "proportional");
        rope.ExpectIfPresent("factor", 1.0);
        return Proportional(theta, size, rope.Optional<double>("partial_rotary_factor") ?? 1);
    }

    /// <summary>The first of the frequencies of the whole head; the other pairs are not rotated.</summary>
    private static double[] Proportional(double theta, int size, double factor) =>
        RotaryTables.Frequencies(theta, size, Math.Clamp((int)(factor * size / 2), 0, size / 2));

    private static ImageRules ReadImageRules(HfConfig c, HfConfig images, HfConfig vision, int vocabulary)
    {
        // Some versions append Fast or Pil to the name; the computation is the same.
        if (images.OptionalText("image_processor_type") is string processor && !processor.StartsWith("Gemma4UnifiedImageProcessor", StringComparison.Ordinal))
            images.Expect("image_processor_type", "Gemma4UnifiedImageProcessor");
        images.ExpectIfPresent("do_rescale", true);
        if (images.Optional<bool>("do_normalize") ?? false)
        {
            if (images.Has("image_mean") && images.RequireChannels("image_mean").Any(mean => mean != 0))
                throw new UnsupportedModelException($"{images.Path}: image_mean: only 0 is implemented");
            if (images.Has("image_std") && images.RequireChannels("image_std").Any(deviation => deviation != 1))
                throw new UnsupportedModelException($"{images.Path}: image_std: only 1 is implemented");
        }

        int patch = vision.Optional<int>("patch_size") ?? 16, pooling = vision.Optional<int>("pooling_kernel_size") ?? 3;
        vision.ExpectIfPresent("model_patch_size", patch * pooling);
        images.ExpectIfPresent("patch_size", patch);
        images.ExpectIfPresent("pooling_kernel_size", pooling);
        vision.Ignore("model_type");
        int budget = images.Optional<int>("max_soft_tokens") ?? 280;
        if (!Budgets.Contains(budget))
            throw new ModelLoadException($"{images.Path}: max_soft_tokens: expected one of {string.Join(", ", Budgets)}, found {budget}");
        bool resizes = images.Optional<bool>("do_resize") ?? true;

        // A side of an image is at most as many patches long as its budget; a shorter position table is a limit of its own.
        int places = vision.RequireCount("mm_posemb_size");
        int? longest = places < (resizes ? Budgets[^1] : budget) ? places : null;
        return new ImageRules
        {
            PatchSize = patch * pooling,
            PatchLayout = PatchLayout.RowColumnChannel,
            Resize = new ResizeRule
            {
                Rule = resizes ? ResizeMode.FillArea : ResizeMode.Keep,
                Filter = images.Has("resample") ? images.RequireFilter("resample") : ResizeFilter.Bicubic,
                MaxPatches = budget,
                MaxRows = longest,
                MaxColumns = longest,
                Budgets = resizes ? Budgets : null,
            },
            Padding = new PaddingRule { Mode = PaddingMode.Edge },
            HasPositions = true,
            Tokens = new ImageTokens
            {
                Placeholder = Token("image_token_id", 258880),
                Begin = Token("boi_token_id", 255999),
                End = Token("eoi_token_id", 258882),
            },
        };

        int Token(string key, int usual) =>
            c.OptionalTokenId(key, vocabulary) ?? (usual < vocabulary ? usual : throw new ModelLoadException($"{c.Path}: {key} is missing"));
    }

    private static void LeaveOut(ModelGraph m, HfConfig c, HfConfig images)
    {
        m.Weights.LeaveOut("embed_audio.");
        c.Ignore("tie_word_embeddings", "video_token_id", "audio_config", "audio_token_id", "boa_token_id", "eoa_token_id", "eoa_token_index");
        c.Ignore("vocab_size_per_layer_input", "num_experts", "top_k_experts", "moe_intermediate_size");
        images.Ignore("processor_class", "image_processor_type", "image_mean", "image_std", "image_seq_length", "do_convert_rgb", "size", "default_to_square",
            "data_format", "input_data_format", "return_tensors", "disable_grouping", "device");
    }
}
