using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.HuggingFace;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.Architectures;

/// <summary>
/// <c>qwen3_5</c> (Qwen3.5 and 3.6, dense): three layers of gated DeltaNet, whose state of a sequence has a fixed size, then one of gated attention
/// with a cache. The norms' weights are stored around 0; interleaved multi-axis RoPE covers a part of each head; the MLP is gated SiLU. Images go
/// through a vision transformer, a part of this graph that runs of text skip. The references are transformers' <c>modeling_qwen3_5.py</c> and
/// <c>configuration_qwen3_5.py</c>. A missing key has their default. The layers that predict several tokens (<c>mtp.*</c>) are left out.
/// </summary>
internal static class Qwen35
{
    public const string ModelType = "qwen3_5";

    private const string Linear = "linear_attention", Full = "full_attention";

    /// <summary>
    /// Default limit of an image's pixels: 4096 tokens. A caller can ask for up to four times as many, which take the vision
    /// transformer sixteen times as long.
    /// </summary>
    private const int UsualMaxPixels = 4096 * 32 * 32;

    /// <summary>Width of the 2B.</summary>
    private const int LargestThatAnswersAtOnce = 2048;

    private static readonly string[] ImageProcessors = ["Qwen2VLImageProcessor", "Qwen3VLImageProcessor", "Qwen3_5ImageProcessor"];

    public static ModelDescription Build(ModelGraph m, HfConfig c, HfConfig images, TokenizerFile? tokenizer)
    {
        HfConfig text = c.Section("text_config"), vision = c.Section("vision_config");
        RefuseOthers(c, text, vision);
        m.Weights.LeaveOut("mtp.");
        int hidden = text.RequireCount("hidden_size"), intermediate = text.RequireCount("intermediate_size");
        int vocabulary = text.RequireCount("vocab_size"), context = text.RequireCount("max_position_embeddings");
        float epsilon = (float)(text.Optional<double>("rms_norm_eps") ?? 1e-6);
        bool isTied = ReadTied(c, text);
        string[] kinds = ReadKinds(text);
        AttentionShape attention = ReadAttention(text, hidden);
        DeltaShape delta = ReadDelta(text, hidden);
        VisionTransformer tower = ReadTower(m, vision, images, hidden);
        ImageRules rules = ReadImageRules(c, images, tower, vocabulary);

        PatchInputs patches = new(m, rules.Tokens.Placeholder, 3 * rules.PatchSize * rules.PatchSize, hasPositions: true);
        SequenceLengths lengths = SequenceLengths.Create(m);
        InterleavedRope rope = ReadRope(m, text, patches, attention.HeadSize);
        string decoder = m.Weights.PrefixOf("embed_tokens.weight");
        (Value x, EmbeddingMatrix embedding) = m.Embed($"{decoder}embed_tokens", vocabulary, hidden, isTied);                   // [B, S, H]
        ResidualStream h = new(m, patches.Insert(x, () => tower.Project(m, patches)), hidden);
        for (int i = 0; i < kinds.Length; i++)
        {
            string key = $"{decoder}layers.{i}";
            Value y = h.RmsNorm($"{key}.input_layernorm", epsilon, isAroundZero: true);
            h.Add(kinds[i] == Full ? Attend(m, $"{key}.self_attn", i, y, attention, rope, lengths, epsilon) : m.DeltaNet(
                $"{key}.linear_attn", i, y, delta, epsilon));
            if (i == kinds.Length - 1)
                h.KeepLastToken("last_token");                                                                              // [B, 1, H] from here on
            h.Add(m.SiluMlp($"{key}.mlp", h.RmsNorm($"{key}.post_attention_layernorm", epsilon, isAroundZero: true), hidden, intermediate));
        }

        EmbeddingMatrix head = isTied ? embedding.AsHead(m) : EmbeddingMatrix.Head(m, $"{m.Weights.PrefixOf("lm_head.weight")}lm_head", vocabulary, hidden);
        m.Logits(h.RmsNorm($"{decoder}norm", epsilon, isAroundZero: true), head, vocabulary);                               // [B, 1, vocabulary]
        int full = kinds.Count(kind => kind == Full);
        int[] ends = text.OneOrMore("eos_token_id"), outerEnds = c.OneOrMore("eos_token_id");
        int? begin = text.OptionalTokenId("bos_token_id", vocabulary), outerBegin = c.OptionalTokenId("bos_token_id", vocabulary);
        int? padding = text.OptionalTokenId("pad_token_id", vocabulary), outerPadding = c.OptionalTokenId("pad_token_id", vocabulary);
        return new ModelDescription
        {
            Architecture = ModelType,
            Vocabulary = vocabulary,
            ContextLength = context,
            Layers = kinds.Length,
            Attention = attention,
            CachedNumbers = (long)full * attention.CachedNumbers,
            StateElements = (kinds.Length - full) * delta.StateElements,
            BeginTokenId = begin ?? outerBegin,
            EndTokenIds = ends.Length > 0 ? ends : outerEnds,
            PaddingTokenId = padding ?? outerPadding,
            Image = rules,
            // As it is published, the small ones answer at once.
            Template = new DefaultChatTemplate("Qwen35", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>", "<|vision_end|>")
            {
                Thinks = hidden > LargestThatAnswersAtOnce,
            },
            Reasoning = tokenizer?.Find("<think>") is int think && tokenizer.Find("</think>") is int done
                ? new ReasoningTokens { Begin = think, End = done }
                : null,
        };
    }

    /// <summary>o_proj(attention · sigmoid(gate)). In q_proj, each head's rows are q, then the gate.</summary>
    private static Value Attend(
        ModelGraph m, string key, int layer, Value x, AttentionShape shape, InterleavedRope rope, SequenceLengths lengths, float epsilon)
    {
        GraphBuilder g = m.Graph;
        int size = shape.HeadSize, queries = shape.Heads * size, keys = shape.KeyValueHeads * size;
        CheckpointTensor both = m.Weights.Take($"{key}.q_proj.weight", 2 * queries, shape.Hidden);
        CheckpointTensor k = m.Weights.Take($"{key}.k_proj.weight", keys, shape.Hidden), v = m.Weights.Take($"{key}.v_proj.weight", keys, shape.Hidden);
        int[] ofQueries = Part(0), ofGates = Part(size);
        Value[] parts;
        if (m.Target.Pack)
        {
            int[] order = [.. ofQueries, .. ofGates, .. Enumerable.Range(2 * queries, 2 * keys)];
            NodeBuilder split = g.Node("Split", $"{key}.qkv_proj", m.Linear($"{key}.qkv_proj", x, new StackedMatrix([both, k, v], order)),
                g.Constant(queries, queries, keys, keys)).Set("axis", -1);
            parts = [.. Enumerable.Range(0, 4).Select(_ => split.Output(m.Type))];
        }
        else
        {
            parts =
            [
                m.Linear($"{key}.q_proj", x, new StackedMatrix(both, ofQueries)), m.Linear($"{key}.gate_proj", x, new StackedMatrix(both, ofGates)),
                m.Linear($"{key}.k_proj", x, new StackedMatrix(k)), m.Linear($"{key}.v_proj", x, new StackedMatrix(v)),
            ];
        }

        Value attended = m.Attend(
            key, layer, Heads("q", parts[0], shape.Heads), Heads("k", parts[2], shape.KeyValueHeads), parts[3], shape, rotary: null, lengths);
        Value gate = g.Node("Sigmoid", $"{key}.gate", parts[1]).Output(m.Type);
        Value gated = g.Node("Mul", $"{key}.gate", attended, gate).Output(m.Type);
        return m.Linear($"{key}.o_proj", gated, queries, ($"{key}.o_proj.weight", shape.Hidden));

        int[] Part(int start) => [.. Enumerable.Range(0, queries).Select(i => (i / size * 2 * size) + start + (i % size))];

        Value Heads(string name, Value rows, int count)
        {
            string path = $"{key}.{name}_norm";
            Value apart = g.Node("Reshape", $"{path}.apart", rows, g.Constant(0, 0, count, size)).Output(m.Type);
            Value normalized = m.RmsNorm(path, apart, m.OneMore($"{path}.weight", size), epsilon);
            return rope.Rotate($"{key}.{name}", g.Node("Reshape", $"{path}.together", normalized, g.Constant(0, 0, count * size)).Output(m.Type), count);
        }
    }

    private static void RefuseOthers(HfConfig c, HfConfig text, HfConfig vision)
    {
        text.ExpectIfPresent("model_type", "qwen3_5_text");
        text.ExpectIfPresent("hidden_act", "silu");
        text.ExpectIfPresent("attention_bias", false);
        text.ExpectIfPresent("attn_output_gate", true);
        text.ExpectIfPresent("mamba_ssm_dtype", "float32");

        // The gate of the norm; swish is another name for silu.
        if (text.OptionalText("output_gate_type") is not (null or "silu"))
            text.Expect("output_gate_type", "swish");
        if (text.OneOrMore("mlp_only_layers").Length > 0)
            throw new UnsupportedModelException($"{text.Path}: mlp_only_layers: only an empty list is implemented");
        if (vision.OneOrMore("deepstack_visual_indexes").Length > 0)
            throw new UnsupportedModelException($"{vision.Path}: deepstack_visual_indexes: only an empty list is implemented");
        vision.ExpectIfPresent("in_channels", 3);
        vision.ExpectIfPresent("hidden_act", "gelu_pytorch_tanh");

        // Keys of the layers that are left out, of videos, and of the model's own name in another place.
        text.Ignore("mtp_num_hidden_layers", "mtp_use_dedicated_embeddings");
        c.Ignore("model_type", "video_token_id", "language_model_only");
        vision.Ignore("model_type");
    }

    private static bool ReadTied(HfConfig c, HfConfig text)
    {
        bool? outer = c.Optional<bool>("tie_word_embeddings"), inner = text.Optional<bool>("tie_word_embeddings");
        return outer ?? inner ?? false;
    }

    private static string[] ReadKinds(HfConfig text)
    {
        int layers = text.RequireCount("num_hidden_layers", max: 1024);
        int interval = text.Has("full_attention_interval") ? text.RequireCount("full_attention_interval") : 4;
        string[] kinds = text.Texts("layer_types") ?? [.. Enumerable.Range(1, layers).Select(i => i % interval == 0 ? Full : Linear)];
        if (kinds.Length != layers || kinds.Any(kind => kind is not (Linear or Full)))
            throw new UnsupportedModelException($"{text.Path}: layer_types: expected {layers} times {Linear} or {Full}, found {string.Join(", ", kinds)}");
        return kinds.Contains(Full) ? kinds : throw new UnsupportedModelException($"{text.Path}: layer_types: expected at least one {Full}, found none");
    }

    private static AttentionShape ReadAttention(HfConfig text, int hidden)
    {
        int heads = text.RequireCount("num_attention_heads"), keyValueHeads = text.RequireCount("num_key_value_heads");
        int size = text.Has("head_dim") ? text.RequireCount("head_dim", min: 2, max: 1024) : 256;
        if (heads % keyValueHeads != 0)
            throw new ModelLoadException($"{text.Path}: num_attention_heads: expected a multiple of {keyValueHeads} (num_key_value_heads), found {heads}");
        return new AttentionShape(hidden, heads, keyValueHeads, size);
    }

    private static DeltaShape ReadDelta(HfConfig text, int hidden)
    {
        DeltaShape shape = new(hidden, Count("num_key_heads", 16), Count("num_value_heads", 32), Count("key_head_dim", 128), Count("value_head_dim", 128),
            Count("conv_kernel_dim", 4));
        if (shape.ValueHeads % shape.KeyHeads != 0)
            throw new ModelLoadException(
                $"{text.Path}: linear_num_value_heads: expected a multiple of {shape.KeyHeads} (linear_num_key_heads), found {shape.ValueHeads}");
        return shape.Kernel >= 2
            ? shape
            : throw new UnsupportedModelException($"{text.Path}: linear_conv_kernel_dim: only 2 or more is implemented, found {shape.Kernel}");

        int Count(string name, int usual) => text.Has($"linear_{name}") ? text.RequireCount($"linear_{name}", max: 1 << 16) : usual;
    }

    private static InterleavedRope ReadRope(ModelGraph m, HfConfig text, PatchInputs patches, int headSize)
    {
        // transformers 5 has rope_parameters; 4 had rope_scaling, with the base beside it.
        HfConfig? rope = text.Has("rope_parameters") ? text.Section("rope_parameters") : text.Has("rope_scaling") ? text.Section("rope_scaling") : null;
        rope?.ExpectIfPresent("rope_type", "default");
        rope?.ExpectIfPresent("type", "default");
        rope?.ExpectIfPresent("mrope_interleaved", true);
        double? ownTheta = rope?.Optional<double>("rope_theta"), ownFactor = rope?.Optional<double>("partial_rotary_factor");
        double? outerTheta = text.Optional<double>("rope_theta"), outerFactor = text.Optional<double>("partial_rotary_factor");
        double theta = ownTheta ?? outerTheta ?? 10000, factor = ownFactor ?? outerFactor ?? 0.25;
        int rotated = (int)(headSize * factor);
        int[] sections = rope is not null && rope.Has("mrope_section") ? rope.OneOrMore("mrope_section") : [11, 11, 10];
        if (rotated < 2 || rotated > headSize || rotated % 2 != 0)
            throw new ModelLoadException(
                $"{text.Path}: partial_rotary_factor: expected an even number of 2 to {headSize} rotated numbers in a head, found {rotated}");
        if (sections.Length != 3 || sections.Any(section => section is < 0 or > 1024) || sections.Sum() != rotated / 2)
            throw new ModelLoadException($"{text.Path}: mrope_section: expected three numbers that make {rotated / 2}, found {string.Join(", ", sections)}");
        if (!(theta > 0))
            throw new ModelLoadException($"{text.Path}: rope_theta: expected a number above 0, found {theta}");
        return new InterleavedRope(m, patches, rotated, theta, sections);
    }

    private static VisionTransformer ReadTower(ModelGraph m, HfConfig vision, HfConfig images, int hidden)
    {
        int width = vision.RequireCount("hidden_size"), heads = vision.RequireCount("num_heads"), table = vision.RequireCount("num_position_embeddings");
        int patch = vision.Has("patch_size") ? vision.RequireCount("patch_size", max: 256) : 16;
        int merge = vision.Has("spatial_merge_size") ? vision.RequireCount("spatial_merge_size", max: 16) : 2;
        int frames = vision.Has("temporal_patch_size") ? vision.RequireCount("temporal_patch_size", max: 16) : 2, places = (int)Math.Round(Math.Sqrt(table));
        vision.ExpectIfPresent("out_hidden_size", hidden);
        images.ExpectIfPresent("patch_size", patch);
        images.ExpectIfPresent("merge_size", merge);
        images.ExpectIfPresent("temporal_patch_size", frames);
        if (places * places != table)
            throw new ModelLoadException($"{vision.Path}: num_position_embeddings: expected a square number, found {table}");
        if (width % heads != 0 || width / heads % 4 != 0)
            throw new UnsupportedModelException($"{vision.Path}: num_heads: only heads of a multiple of 4 numbers are implemented, found {width} / {heads}");
        if (patch * merge > 256)
            throw new UnsupportedModelException(
                $"{vision.Path}: patch_size, spatial_merge_size: only tokens of at most 256 pixels are implemented, found {patch} · {merge}");
        string key = m.Weights.PrefixOf("patch_embed.proj.weight");
        bool normalize = images.Optional<bool>("do_normalize") ?? true, rescale = images.Optional<bool>("do_rescale") ?? true;
        double[] mean = images.Has("image_mean") ? images.RequireChannels("image_mean") : [0.5, 0.5, 0.5];
        double[] std = images.Has("image_std") ? images.RequireChannels("image_std") : [0.5, 0.5, 0.5];
        double factor = images.Optional<double>("rescale_factor") ?? (1 / 255.0);
        if (std.Any(deviation => !(deviation > 0)))
            throw new ModelLoadException($"{images.Path}: image_std: expected deviations above 0");
        return new VisionTransformer
        {
            Key = key,
            Patches = new PatchProjection
            {
                Key = $"{key}patch_embed.proj", PatchSize = patch, Hidden = width, IsConvolution = true, Frames = frames, Rescale = rescale ? factor : 1,
                Mean = normalize ? mean : [0, 0, 0], Std = normalize ? std : [1, 1, 1],
            },
            Depth = vision.RequireCount("depth", max: 1024),
            Heads = heads,
            Intermediate = vision.RequireCount("intermediate_size"),
            Places = places,
            Merge = merge,
            Hidden = hidden,
        };
    }

    private static ImageRules ReadImageRules(HfConfig c, HfConfig images, VisionTransformer tower, int vocabulary)
    {
        if (images.OptionalText("image_processor_type") is string processor && !ImageProcessors.Any(known => processor == known || processor == $"{known}Fast"))
            images.Expect("image_processor_type", ImageProcessors[0]);
        images.ExpectIfPresent("do_resize", true);
        images.ExpectIfPresent("do_center_crop", false);
        images.ExpectIfPresent("do_pad", false);
        (int min, int max) = ReadPixels(images);
        images.Ignore("processor_class", "do_convert_rgb", "data_format", "input_data_format", "return_tensors", "disable_grouping", "device",
            "default_to_square", "image_processor_type");

        // The checkpoint's template writes what stands before and after an image.
        c.Ignore("vision_start_token_id", "vision_end_token_id");
        return new ImageRules
        {
            PatchSize = tower.SquareSize,
            PatchLayout = PatchLayout.ChannelRowColumn,
            Resize = new ResizeRule
            {
                Rule = ResizeMode.SmartResizeWithoutFloor,
                Filter = images.Has("resample") ? images.RequireFilter("resample") : ResizeFilter.Bicubic,
                MinPixels = Math.Min(min, UsualMaxPixels),
                MaxPixels = Math.Min(max, UsualMaxPixels),
                LimitPixels = max > UsualMaxPixels ? max : null,
            },

            // Never used: both sides are multiples of a token's side.
            Padding = new PaddingRule { Mode = PaddingMode.Edge },
            HasPositions = true,
            SharesTextPosition = true,

            // Attention is bidirectional inside the vision transformer.
            BidirectionalAttention = true,
            AdvancesByLongerSide = true,
            Tokens = new ImageTokens
            {
                Placeholder = c.OptionalTokenId("image_token_id", vocabulary) ?? throw new ModelLoadException($"{c.Path}: image_token_id is missing"),
            },
        };
    }

    /// <summary>The fewest and the most pixels; newer files name these limits as edges of an image.</summary>
    private static (int Min, int Max) ReadPixels(HfConfig images)
    {
        HfConfig? size = images.Has("size") ? images.Section("size") : null;
        int? shortest = size is not null && size.Has("shortest_edge") ? size.RequireCount("shortest_edge", max: 1 << 30) : null;
        int? longest = size is not null && size.Has("longest_edge") ? size.RequireCount("longest_edge", max: 1 << 30) : null;
        int? least = images.Has("min_pixels") ? images.RequireCount("min_pixels", max: 1 << 30) : null;
        int? most = images.Has("max_pixels") ? images.RequireCount("max_pixels", max: 1 << 30) : null;
        (int min, int max) = (least ?? shortest ?? 65536, most ?? longest ?? 16777216);
        return min <= max ? (min, max) : throw new ModelLoadException($"{images.Path}: shortest_edge: expected at most longest_edge ({max}), found {min}");
    }
}
