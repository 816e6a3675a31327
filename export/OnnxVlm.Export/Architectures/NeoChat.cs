using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.HuggingFace;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.Architectures;

/// <summary>
/// <c>neo_chat</c>: NEO 1.0 and 1.5 (Paranioar/NEO1_5-9B-SFT and others), and the image-understanding branch of SenseNova-U1. It is a Qwen3 decoder
/// whose heads have three parts, rotated by temporal position, row and column. The tokens of an image share one temporal position and attend to each
/// other in both directions. NEO has separate matrices for row and column; SenseNova-U1 splits Qwen3's. The references are <c>modeling_qwen3.py</c>,
/// <c>modeling_neo_vit.py</c> and <c>modeling_neo_chat.py</c> of EvolvingLMMs-Lab/NEO and OpenSenseNova/SenseNova-U1. The checkpoints have no
/// preprocessor_config.json, since the image rules are in that code.
/// </summary>
internal static class NeoChat
{
    public const string ModelType = "neo_chat";

    private const string ImageContext = "<IMG_CONTEXT>", ImageBegin = "<img>", ImageEnd = "</img>", TurnEnd = "<|im_end|>";

    // ImageNet's; load_image_native has them as constants.
    private static readonly double[] Mean = [0.485, 0.456, 0.406], Std = [0.229, 0.224, 0.225];

    // NEO's only conversation template is neo1_0. Some checkpoints bring Qwen's own instead, which differs.
    private static readonly DefaultChatTemplate Template =
        new("NeoChat", "<|im_start|>", TurnEnd, ImageBegin, ImageEnd, ImageContext) { ReplacesTemplate = true };

    public static ModelDescription Build(ModelGraph m, HfConfig c, HfConfig images, TokenizerFile? tokenizer)
    {
        HfConfig llm = c.Section("llm_config"), vision = c.Section("vision_config");
        llm.Flatten("rope_parameters");
        bool splitsHeads = ReadGenerationBranch(m, c);
        int hidden = llm.RequireCount("hidden_size");
        int intermediate = llm.RequireCount("intermediate_size");
        int layers = llm.RequireCount("num_hidden_layers", max: 1024);
        int vocabulary = llm.RequireCount("vocab_size"), context = llm.Has("max_position_embeddings") ? llm.RequireCount("max_position_embeddings") : 32768;
        float epsilon = (float)(llm.Optional<double>("rms_norm_eps") ?? 1e-6);
        bool isTied = ReadTied(c, llm);
        RefuseOtherDecoders(c, llm, layers);
        (AttentionShape attention, MultiAxisHead head) = ReadAttention(llm, hidden, splitsHeads);
        PatchMerger embedder = ReadEmbedder(m, c, vision, hidden);
        ImageRules rules = ReadImageRules(c, vision, tokenizer, embedder, vocabulary);

        PatchInputs patches = new(m, rules.Tokens.Placeholder, embedder.PatchWidth, hasPositions: true);
        SequenceLengths lengths = SequenceLengths.Create(m, withPast: true);
        MultiAxisRope rotary = new(m, patches, lengths, head, llm.Optional<double>("rope_theta") ?? 10000, llm.Optional<double>("rope_theta_hw") ?? 10000);
        ImageAttention bidirectionalImageAttention = new(m, patches, lengths, window: null);
        string decoder = m.Weights.PrefixOf("embed_tokens.weight");
        (Value x, EmbeddingMatrix embedding) = m.Embed($"{decoder}embed_tokens", vocabulary, hidden, isTied);               // [B, S, H]
        ResidualStream h = new(m, patches.Insert(x, () => embedder.Project(m, patches)), hidden);
        for (int i = 0; i < layers; i++)
        {
            string key = $"{decoder}layers.{i}";
            (Value q, Value k, Value v) = QueryKeyValue(
                m, $"{key}.self_attn", h.RmsNorm($"{key}.input_layernorm", epsilon), attention, head, splitsHeads, rotary, epsilon);
            // [B, S, heads · value size]
            Value attended = m.Attend($"{key}.self_attn", i, q, k, v, attention, rotary: null, lengths, bidirectionalImageAttention);
            h.Add(m.Linear($"{key}.self_attn.o_proj", attended, attention.Heads * attention.ValueSize, ($"{key}.self_attn.o_proj.weight", hidden)));
            if (i == layers - 1)
                h.KeepLastToken("last_token");                                                                          // [B, 1, H] from here on
            h.Add(m.SiluMlp($"{key}.mlp", h.RmsNorm($"{key}.post_attention_layernorm", epsilon), hidden, intermediate));
        }

        EmbeddingMatrix matrix = isTied ? embedding.AsHead(m) : EmbeddingMatrix.Head(m, $"{m.Weights.PrefixOf("lm_head.weight")}lm_head", vocabulary, hidden);
        m.Logits(h.RmsNorm($"{decoder}norm", epsilon), matrix, vocabulary);                                             // [B, 1, vocabulary]
        int? innerPadding = llm.OptionalTokenId("pad_token_id", vocabulary), outerPadding = c.OptionalTokenId("pad_token_id", vocabulary);
        IgnoreOtherKeys(c, llm, vision);
        return new ModelDescription
        {
            Architecture = ModelType,
            Vocabulary = vocabulary,
            ContextLength = context,
            Layers = layers,
            Attention = attention,
            BeginTokenId = null,
            EndTokenIds = ReadEndTokens(c, llm, tokenizer, rules.Tokens.Placeholder),
            PaddingTokenId = innerPadding ?? outerPadding,
            Image = rules,
            Template = Template,
        };
    }

    /// <summary>q and k, normalized and rotated, [B, S, heads · head size], and v [B, S, key/value heads · value size].</summary>
    private static (Value Q, Value K, Value V) QueryKeyValue(
        ModelGraph m, string key, Value x, AttentionShape shape, MultiAxisHead head, bool splitsHeads, MultiAxisRope rotary, float epsilon)
    {
        GraphBuilder g = m.Graph;
        int queries = shape.Heads * head.Size, keys = shape.KeyValueHeads * head.Size, values = shape.KeyValueHeads * shape.ValueSize;
        CheckpointTensor v = m.Weights.Take($"{key}.v_proj.weight", values, shape.Hidden);
        (CheckpointTensor[] Parts, int[] Order) q = Heads("q", shape.Heads), k = Heads("k", shape.KeyValueHeads);
        Value[] apart;
        if (m.Target.Pack)
        {
            int[] order = [.. q.Order, .. k.Order.Select(row => queries + row), .. Enumerable.Range(queries + keys, values)];
            Value packed = m.Linear($"{key}.qkv_proj", x, new StackedMatrix([.. q.Parts, .. k.Parts, v], order));
            apart = Split($"{key}.qkv_proj", packed, queries, keys, values);
        }
        else
        {
            apart = [m.Linear($"{key}.q_proj", x, new StackedMatrix(q.Parts, q.Order)), m.Linear($"{key}.k_proj", x, new StackedMatrix(k.Parts, k.Order)),
                m.Linear($"{key}.v_proj", x, new StackedMatrix(v))];
        }

        return (Normalize("q", apart[0], shape.Heads), Normalize("k", apart[1], shape.KeyValueHeads), apart[2]);

        // The checkpoint's rows of a head [temporal | row | column] and, for all heads, the index of each of the graph's rows among them.
        (CheckpointTensor[] Parts, int[] Order) Heads(string name, int heads)
        {
            int first = splitsHeads ? head.Size : head.Time, second = head.Size - first;
            CheckpointTensor one = m.Weights.Take($"{key}.{name}_proj.weight", heads * first, shape.Hidden);
            CheckpointTensor[] parts = splitsHeads ? [one] : [one, m.Weights.Take($"{key}.{name}_proj_hw.weight", heads * second, shape.Hidden)];
            return (parts, [.. Enumerable.Range(0, heads).SelectMany(
                n => head.Order.Select(i => i < first ? (n * first) + i : (heads * first) + (n * second) + i - first))]);
        }

        Value Normalize(string name, Value heads, int count)
        {
            string path = $"{key}.{name}";
            (string Norm, int Size)[] parts = splitsHeads
                ? [($"{name}_norm", head.Time), ($"{name}_norm_hw", 2 * head.Side)]
                : [($"{name}_norm", head.Time), ($"{name}_norm_h", head.Side), ($"{name}_norm_w", head.Side)];
            Value rows = g.Node("Reshape", $"{path}.apart", heads, g.Constant(0, 0, count, head.Size)).Output(m.Type);
            Value[] split = Split($"{path}.parts", rows, [.. parts.Select(part => (long)part.Size)]);
            int start = 0;
            for (int i = 0; i < parts.Length; i++)
            {
                Value weight = m.Vector($"{key}.{parts[i].Norm}.weight", [.. head.Order[start..(start + parts[i].Size)].Select(place => place - start)]);
                split[i] = m.RmsNorm($"{key}.{parts[i].Norm}", split[i], weight, epsilon);
                start += parts[i].Size;
            }

            Value whole = g.Node("Concat", $"{path}.parts", split).Set("axis", -1).Output(m.Type);
            return rotary.Rotate(path, g.Node("Reshape", $"{path}.together", whole, g.Constant(0, 0, count * head.Size)).Output(m.Type), count);
        }

        Value[] Split(string path, Value value, params ReadOnlySpan<long> sizes)
        {
            NodeBuilder split = g.Node("Split", path, value, g.Constant(sizes)).Set("axis", -1);
            return [.. Enumerable.Range(0, sizes.Length).Select(_ => split.Output(m.Type))];
        }
    }

    /// <summary>The outer configuration's key repeats the inner one.</summary>
    private static bool ReadTied(HfConfig c, HfConfig llm)
    {
        bool? outer = c.Optional<bool>("tie_word_embeddings");
        return llm.Optional<bool>("tie_word_embeddings") ?? outer ?? false;
    }

    /// <summary>SenseNova-U1 generates images too, with weights that are not exported here.</summary>
    private static bool ReadGenerationBranch(ModelGraph m, HfConfig c)
    {
        if (!c.Has("fm_head_dim"))
            return false;
        m.Weights.LeaveOut("_mot_gen");
        m.Weights.LeaveOut("fm_modules.");
        c.Ignore(
            "timestep_shift", "time_schedule", "time_shift_type", "base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len",
            "noise_scale_mode", "noise_scale_base_image_seq_len", "add_noise_scale_embedding", "noise_scale_max_value", "noise_scale", "P_mean",
            "P_std", "t_eps", "fm_head_dim", "fm_head_layers", "fm_head_mlp_ratio", "extra_num_layers_post",
            "concat_time_token_num", "use_pixel_head", "use_adaLN");
        return true;
    }

    private static void RefuseOtherDecoders(HfConfig c, HfConfig llm, int layers)
    {
        c.ExpectIfPresent("template", "neo1_0");
        llm.ExpectIfPresent("model_type", "qwen3");
        llm.ExpectIfPresent("hidden_act", "silu");
        llm.ExpectIfPresent("attention_bias", false);
        llm.ExpectIfPresent("use_sliding_window", false);
        llm.ExpectIfPresent("rope_type", "default");
        if (llm.Has("rope_scaling"))
        {
            HfConfig scaling = llm.Section("rope_scaling");
            scaling.ExpectIfPresent("rope_type", "default");
            scaling.ExpectIfPresent("type", "default");
        }

        if (llm.Texts("layer_types") is { } types && (types.Length != layers || types.Any(type => type != "full_attention")))
            throw new UnsupportedModelException($"{llm.Path}: layer_types: " +
                $"only full_attention in each of the {layers} layers is implemented, found {string.Join(", ", types.Distinct())} in {types.Length}");
    }

    private static (AttentionShape Attention, MultiAxisHead Head) ReadAttention(HfConfig llm, int hidden, bool splitsHeads)
    {
        int heads = llm.RequireCount("num_attention_heads"), keyValueHeads = llm.RequireCount("num_key_value_heads");
        int size = llm.Has("head_dim") ? llm.RequireCount("head_dim", max: 1024) : 128, parts = splitsHeads ? 8 : 4;
        if (heads % keyValueHeads != 0)
            throw new ModelLoadException($"{llm.Path}: num_attention_heads: expected a multiple of {keyValueHeads} (num_key_value_heads), found {heads}");
        if (size % parts != 0)
            throw new ModelLoadException($"{llm.Path}: head_dim: expected a multiple of {parts}, found {size}");

        // In NEO, Qwen3's head serves the temporal part, and row and column have a head of their own; in SenseNova-U1 they share one. The scale is
        // that of Qwen3's head in both.
        MultiAxisHead head = splitsHeads ? new MultiAxisHead(size / 2, size / 4) : new MultiAxisHead(size, size / 2);
        return (new AttentionShape(hidden, heads, keyValueHeads, head.Size) { ValueSize = size, Scale = (float)(1 / Math.Sqrt(size)) }, head);
    }

    private static PatchMerger ReadEmbedder(ModelGraph m, HfConfig c, HfConfig vision, int hidden)
    {
        vision.ExpectIfPresent("num_channels", 3);
        if (vision.OptionalNumber("llm_hidden_size") is double width && width != hidden)
            throw new ModelLoadException($"{vision.Path}: llm_hidden_size: expected hidden_size of llm_config ({hidden}), found {width}");
        int square = vision.Has("patch_size") ? vision.RequireCount("patch_size", max: 256) : 16;
        int squareWidth = vision.Has("hidden_size") ? vision.RequireCount("hidden_size") : 1024;
        c.ExpectIfPresent("patch_size", square);
        double inner = vision.OptionalNumber("downsample_ratio") ?? 0.5, ratio = c.OptionalNumber("downsample_ratio") ?? inner;
        int merge = ratio > 0 ? (int)(1 / ratio) : 0;
        if (inner != ratio || merge is < 1 or > 8 || merge * square > 256)
            throw new UnsupportedModelException(
                $"{c.Path}: downsample_ratio: only one ratio for all, " +
                $"1 to 1/8, and patches of at most 256 pixels are implemented, found {ratio}, {inner} in vision_config and patch_size {square}");
        if (squareWidth % 4 != 0)
            throw new ModelLoadException($"{vision.Path}: hidden_size: expected a multiple of 4, found {squareWidth}");
        string key = $"{m.Weights.PrefixOf("vision_model.embeddings.patch_embedding.weight")}vision_model.embeddings";
        return new PatchMerger
        {
            Squares = new PatchProjection
            {
                Key = $"{key}.patch_embedding",
                PatchSize = square,
                Hidden = squareWidth,
                Mean = Mean,
                Std = Std,
                IsConvolution = true,
            },
            Key = $"{key}.dense_embedding",
            Merge = merge,
            Theta = vision.Optional<double>("rope_theta_vision") ?? 10000,
            Hidden = hidden,
        };
    }

    private static ImageRules ReadImageRules(HfConfig c, HfConfig vision, TokenizerFile? tokenizer, PatchMerger embedder, int vocabulary)
    {
        int? Token(string text, string? key = null)
        {
            int? id = (key is null ? null : c.OptionalTokenId(key, vocabulary)) ?? tokenizer?.Find(text) ?? AddedTokensFile.Find(c.Folder, text);
            return id is null || (id >= 0 && id < vocabulary)
                ? id
                : throw new ModelLoadException($"{c.Path}: expected an id of {text} below vocab_size ({vocabulary}), found {id}");
        }

        return new ImageRules
        {
            PatchSize = embedder.PatchSize,
            PatchLayout = PatchLayout.ChannelRowColumn,
            Resize = new ResizeRule
            {
                Rule = ResizeMode.SmartResize,
                Filter = ResizeFilter.Bicubic,
                MinPixels = Pixels("min_pixels", 65536),
                MaxPixels = Pixels("max_pixels", 4194304),
            },

            // Never used: both sides are multiples of a patch.
            Padding = new PaddingRule { Mode = PaddingMode.Edge },
            Alpha = AlphaMode.WhiteIfTransparent,
            HasPositions = true,
            SharesTextPosition = true,
            BidirectionalAttention = true,
            Tokens = new ImageTokens
            {
                Placeholder = Token(ImageContext, "img_context_token_id") ?? throw new ModelLoadException(
                    $"{c.Path}: img_context_token_id is missing, and neither tokenizer.json nor added_tokens.json has {ImageContext}"),
                Begin = Token(ImageBegin, "img_start_token_id"),
                End = Token(ImageEnd, "img_end_token_id"),
                TextAfter = "\n",
            },
        };

        int Pixels(string key, int usual)
        {
            int? outer = c.Has(key) ? c.RequireCount(key, max: 1 << 30) : null;
            return vision.Has(key) ? vision.RequireCount(key, max: 1 << 30) : outer ?? usual;
        }
    }

    /// <summary>The reference stops at the end of a turn. Base weights without any end token stop where an answer would contain an image.</summary>
    private static int[] ReadEndTokens(HfConfig c, HfConfig llm, TokenizerFile? tokenizer, int placeholder)
    {
        int? turnEnd = tokenizer?.Find(TurnEnd) ?? AddedTokensFile.Find(c.Folder, TurnEnd);
        int[] ends = [.. turnEnd is int end ? [end] : Array.Empty<int>(), .. c.OneOrMore("eos_token_id"), .. llm.OneOrMore("eos_token_id")];
        return ends.Length > 0 || tokenizer is not null ? [.. ends.Distinct()] : [placeholder];
    }

    private static void IgnoreOtherKeys(HfConfig c, HfConfig llm, HfConfig vision)
    {
        foreach (HfConfig config in new[] { c, llm, vision })
            config.Ignore("bos_token_id");

        // Adapters are merged or absent; the hidden size is a copy; the pre-buffer is among the layers; these limits are the lengths
        // of the reference's tables.
        c.Ignore("use_backbone_lora", "use_llm_lora", "hidden_size", "is_composition");
        llm.Ignore("extra_num_layers", "max_position_embeddings_hw", "max_window_layers", "sliding_window", "use_deepep", "pure_llm");
        vision.Ignore("model_type", "max_position_embeddings_vision", "tie_word_embeddings", "eos_token_id", "pad_token_id");
    }
}
