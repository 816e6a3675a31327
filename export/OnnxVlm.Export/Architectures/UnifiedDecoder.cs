using System.Globalization;
using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.HuggingFace;
using OnnxVlm.Export.Onnx;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.Architectures;

/// <summary>
/// <c>unified_decoder</c>, the architecture of onnx-models/nano: a pre-norm causal decoder with grouped-query attention, rotary positions and a gated
/// SiLU MLP, without biases. The patches of an image go through one linear layer, get learned row and column vectors, and take the places of the
/// image token. Each row of patches ends with a token of its own. The checkpoint format is described in export/training.
/// </summary>
internal static class UnifiedDecoder
{
    public const string ModelType = "unified_decoder";

    public static ModelDescription Build(ModelGraph m, HfConfig c, HfConfig images, TokenizerFile? tokenizer)
    {
        c.Expect("hidden_act", "silu");
        c.Expect("attention_bias", false);
        int hidden = c.RequireCount("hidden_size"), intermediate = c.RequireCount("intermediate_size");
        int vocabulary = c.RequireCount("vocab_size"), layers = c.RequireCount("num_hidden_layers", max: 1024);
        int context = c.RequireCount("max_position_embeddings");
        float epsilon = (float)c.Require<double>("rms_norm_eps");
        bool isTied = c.Require<bool>("tie_word_embeddings");
        AttentionShape attention = ReadAttention(c, hidden);
        PatchProjection projection = ReadProjection(c, images, hidden);
        ImageRules rules = ReadImageRules(c, images, projection, vocabulary);

        RotaryTables rotary = RotaryTables.Create(m, c.Require<double>("rope_theta"), attention.HeadSize, context);
        SequenceLengths lengths = SequenceLengths.Create(m);
        (Value x, EmbeddingMatrix embedding) = m.Embed("model.embed_tokens", vocabulary, hidden, isTied);   // [B, S, H]
        ResidualStream h = new(m, m.InsertPatches(x, rules.Tokens.Placeholder, projection), hidden);
        for (int i = 0; i < layers; i++)
        {
            string key = $"model.layers.{i}";
            h.Add(m.SelfAttention($"{key}.self_attn", i, h.RmsNorm($"{key}.input_layernorm", epsilon), attention, rotary, lengths));
            if (i == layers - 1)
                h.KeepLastToken("last_token");                                                          // [B, 1, H] from here on
            h.Add(m.SiluMlp($"{key}.mlp", h.RmsNorm($"{key}.post_attention_layernorm", epsilon), hidden, intermediate));
        }

        EmbeddingMatrix head = isTied ? embedding.AsHead(m) : EmbeddingMatrix.Head(m, "lm_head", vocabulary, hidden);
        m.Logits(h.RmsNorm("model.norm", epsilon), head, vocabulary);                                   // [B, 1, vocabulary]

        c.Ignore("model_type");
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
        };
    }

    private static AttentionShape ReadAttention(HfConfig c, int hidden)
    {
        AttentionShape attention = new(hidden, c.RequireCount("num_attention_heads"), c.RequireCount("num_key_value_heads"), c.RequireCount("head_dim"));
        if (attention.Heads % attention.KeyValueHeads != 0)
        {
            string found = $"expected a multiple of {attention.KeyValueHeads} (num_key_value_heads), found {attention.Heads}";
            throw new ModelLoadException($"{c.Path}: num_attention_heads: {found}");
        }

        // The fused attention's rotary tables require this.
        if (attention.HeadSize % 16 != 0)
            throw new UnsupportedModelException($"{c.Path}: head_dim: only multiples of 16 are implemented, found {attention.HeadSize}");
        return attention;
    }

    private static PatchProjection ReadProjection(HfConfig c, HfConfig images, int hidden)
    {
        int rows = c.RequireCount("num_patch_rows", min: 0), columns = c.RequireCount("num_patch_columns", min: 0);
        PatchProjection projection = new()
        {
            Key = "model.patch_embed",
            PatchSize = c.RequireCount("patch_size", max: 256),
            Hidden = hidden,
            Mean = images.Require<double[]>("image_mean"),
            Std = images.Require<double[]>("image_std"),
            RowTable = rows > 0 ? ("model.patch_row_embed.weight", rows) : null,
            ColumnTable = columns > 0 ? ("model.patch_column_embed.weight", columns) : null,
        };
        if (projection.Mean.Length != 3 || projection.Std.Length != 3 || projection.Std.Any(std => !(std > 0)))
            throw new ModelLoadException($"{images.Path}: image_mean, image_std: expected three numbers each, deviations above 0");
        return projection;
    }

    private static ImageRules ReadImageRules(HfConfig c, HfConfig images, PatchProjection projection, int vocabulary)
    {
        images.Expect("image_processor_type", "UnifiedDecoderImageProcessor");
        images.Expect("do_resize", true);
        images.Expect("padding", "edge");
        images.Expect("patch_size", projection.PatchSize);
        int maxRows = images.RequireCount("max_patch_rows"), maxColumns = images.RequireCount("max_patch_columns");
        if (projection.RowTable?.Rows < maxRows || projection.ColumnTable?.Rows < maxColumns)
        {
            string found = $"expected at most num_patch_rows, num_patch_columns of config.json, found {maxRows}, {maxColumns}";
            throw new ModelLoadException($"{images.Path}: max_patch_rows, max_patch_columns: {found}");
        }

        double? maxEnlargement = images.OptionalNumber("max_enlargement");
        if (maxEnlargement is < 1 or > 16)
            throw new ModelLoadException(
                string.Create(CultureInfo.InvariantCulture, $"{images.Path}: max_enlargement: expected 1 to 16, found {maxEnlargement}"));

        return new ImageRules
        {
            PatchSize = projection.PatchSize,
            PatchLayout = PatchLayout.RowColumnChannel,
            Resize = new ResizeRule
            {
                Rule = ResizeMode.Fit,
                Filter = images.RequireFilter("resample"),
                MaxPatches = images.RequireCount("max_patches", max: 65536),
                MaxRows = maxRows,
                MaxColumns = maxColumns,
                MaxEnlargement = maxEnlargement,
            },
            Padding = new PaddingRule { Mode = PaddingMode.Edge },
            HasPositions = projection.HasPositions,
            Tokens = new ImageTokens
            {
                Placeholder = c.OptionalTokenId("image_token_id", vocabulary) ?? throw new ModelLoadException($"{c.Path}: image_token_id is missing"),
                RowEnd = c.OptionalTokenId("image_row_end_token_id", vocabulary),
                Begin = c.OptionalTokenId("image_start_token_id", vocabulary),
                End = c.OptionalTokenId("image_end_token_id", vocabulary),
            },
        };
    }
}
