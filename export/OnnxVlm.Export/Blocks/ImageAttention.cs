using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>
/// Attention in which the tokens of an image attend to each other in both directions. GroupQueryAttention is causal; it keeps the cache and computes
/// runs of text. In a run with images, a layer's attention is computed again over the keys and values in the cache, with this mask: a token attends
/// to itself, to what is before it and, inside an image, to the rest of that image; of all these, only to what is inside the window. An image is a
/// run of adjacent placeholder tokens. It lies whole within one run of the graph, whose batch is then 1.
/// </summary>
internal sealed class ImageAttention
{
    // The lowest float16; far below any score, so that its exp() is 0.
    private const float Hidden = -65504;

    // The first version with the operator Attention.
    private const long AttentionOpset = 23;

    private readonly ModelGraph _model;
    private readonly PatchInputs _images;
    private readonly SequenceLengths _lengths;
    private readonly Value _first;
    private readonly Value _total;
    private readonly Value _firstKept;
    private readonly Value _endKept;
    private readonly Value _bias;

    /// <summary>Computes the mask, which all layers with the same window share.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="images">The images of a run.</param>
    /// <param name="lengths">Lengths of the sequences, with the past.</param>
    /// <param name="window">A token attends to itself and the window − 1 tokens before it; null for all before it.</param>
    public ImageAttention(ModelGraph model, PatchInputs images, SequenceLengths lengths, int? window)
    {
        GraphBuilder g = model.Graph;
        _model = model;
        _images = images;
        _lengths = lengths;
        string path = window is null ? "image_mask" : $"image_mask.{window}";
        _total = g.Node("Shape", path, model.AttentionMask).Set("start", 1).Set("end", 2).Output(ElementType.Int64);
        _first = g.Constant(0);
        if (window is int reach)
        {
            Value before = g.Node("Sub", path, lengths.Past, g.Constant(reach - 1)).Output(ElementType.Int64);
            _first = g.Node("Max", path, before, g.Constant(0)).Output(ElementType.Int64);
        }

        (_firstKept, _endKept) = (_first, _total);
        if (window is not null && lengths.Window is { } kept)
        {
            _firstKept = g.Node("Sub", $"{path}.first_kept", _first, kept.Evicted).Output(ElementType.Int64);
            _endKept = g.Node("Sub", $"{path}.end_kept", _total, kept.Evicted).Output(ElementType.Int64);
        }

        Value nothing = g.Scalar(0, model.Type);
        _bias = g.If(path, images.HaveImages, model.Type, () => Bias(path, window), () => g.Node("Identity", $"{path}.none", nothing).Output(model.Type));
    }

    /// <summary>The causal attention of a layer, or in a run with images the attention with the mask.</summary>
    /// <param name="path">Path of the layer.</param>
    /// <param name="causal">[B, S, heads · value size], GroupQueryAttention's.</param>
    /// <param name="q">[B, S, heads · stored head size], as GroupQueryAttention takes it.</param>
    /// <param name="keys">[B, key/value heads, T or more, stored head size]: the cache after the run, without the tokens that are evicted from it.</param>
    /// <param name="values">The same of the values.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="rotary">The tables to rotate q with; null where it is already rotated.</param>
    /// <param name="scales">Scales of a cache of 8-bit codes; null for one of floats.</param>
    /// <returns>[B, S, heads · value size].</returns>
    public Value Apply(string path, Value causal, Value q, Value keys, Value values, AttentionShape shape, RotaryTables? rotary, (Value Key, Value Value)? scales)
    {
        GraphBuilder g = _model.Graph;
        path += ".image";
        return g.If(path, _images.HaveImages, _model.Type, Attend, () => g.Node("Identity", $"{path}.none", causal).Output(_model.Type));

        Value Attend()
        {
            Value rotated = rotary is null ? q : _model.Rotate(path, q, shape.Heads, rotary, _lengths);
            Value seenKeys = g.Node("Slice", $"{path}.keys", keys, _firstKept, _endKept, g.Constant(2)).Output(keys.Type);
            Value seenValues = g.Node("Slice", $"{path}.values", values, _firstKept, _endKept, g.Constant(2)).Output(values.Type);
            if (scales is var (keyScale, valueScale))
            {
                seenKeys = CacheScales.Dequantize(_model, $"{path}.keys", seenKeys, keyScale);
                seenValues = CacheScales.Dequantize(_model, $"{path}.values", seenValues, valueScale);
            }

            bool filled = shape.ValueSize < shape.StoredHeadSize;
            if (filled && !shape.FillHalves)
                seenValues = g.Node("Slice", $"{path}.value_size", seenValues, g.Constant(0), g.Constant(shape.ValueSize), g.Constant(3)).Output(_model.Type);
            Value attended = _model.Target.HasAttentionOperator
                ? WithOperator(path, rotated, seenKeys, seenValues, shape)
                : WithProducts(path, rotated, seenKeys, seenValues, shape);
            return filled && shape.FillHalves ? _model.CutHeads(path, attended, shape) : attended;
        }
    }

    /// <summary>softmax(q·kᵀ · scale + bias) · v.</summary>
    private Value WithOperator(string path, Value q, Value keys, Value values, AttentionShape shape)
    {
        GraphBuilder g = _model.Graph;
        g.RequireOpset(AttentionOpset);
        Value apart = g.Node("Reshape", $"{path}.apart", q, g.Constant(0, 0, shape.Heads, shape.StoredHeadSize)).Output(_model.Type);
        Value heads = g.Node("Transpose", $"{path}.apart", apart).Set("perm", 0, 2, 1, 3).Output(_model.Type);      // [B, heads, S, size]
        Value attended = g.Node("Attention", path, heads, keys, values, _bias).Set("scale", shape.Scale).Output(_model.Type);
        Value rows = g.Node("Transpose", $"{path}.together", attended).Set("perm", 0, 2, 1, 3).Output(_model.Type);
        return g.Node("Reshape", $"{path}.together", rows, g.Constant(0, 0, -1)).Output(_model.Type);
    }

    /// <summary>The same with matrix products, for devices without the operator. The query heads of one key head are an axis of their own.</summary>
    private Value WithProducts(string path, Value q, Value keys, Value values, AttentionShape shape)
    {
        GraphBuilder g = _model.Graph;
        int group = shape.Heads / shape.KeyValueHeads;
        Value apart = g.Node("Reshape", $"{path}.apart", q, g.Constant(0, 0, shape.KeyValueHeads, group, shape.StoredHeadSize)).Output(_model.Type);
        Value heads = g.Node("Transpose", $"{path}.apart", apart).Set("perm", 0, 2, 3, 1, 4).Output(_model.Type);   // [B, key heads, group, S, size]
        Value k = g.Node("Unsqueeze", $"{path}.keys", keys, g.Constant(2)).Output(_model.Type);
        Value v = g.Node("Unsqueeze", $"{path}.values", values, g.Constant(2)).Output(_model.Type);
        Value columns = g.Node("Transpose", $"{path}.keys", k).Set("perm", 0, 1, 2, 4, 3).Output(_model.Type);
        Value products = g.Node("MatMul", $"{path}.scores", heads, columns).Output(_model.Type);
        Value scaled = g.Node("Mul", $"{path}.scores", products, g.Scalar(shape.Scale, _model.Type)).Output(_model.Type);
        Value masked = g.Node("Add", $"{path}.scores", scaled, _bias).Output(_model.Type);
        Value weights = g.Node("Softmax", $"{path}.scores", masked).Set("axis", -1).Output(_model.Type);
        Value attended = g.Node("MatMul", path, weights, v).Output(_model.Type);
        Value rows = g.Node("Transpose", $"{path}.together", attended).Set("perm", 0, 3, 1, 2, 4).Output(_model.Type);
        return g.Node("Reshape", $"{path}.together", rows, g.Constant(0, 0, -1)).Output(_model.Type);
    }

    /// <summary>[S, T − first]: 0 where a token of this run attends to a token of the sequence.</summary>
    private Value Bias(string path, int? window)
    {
        GraphBuilder g = _model.Graph;
        Value group = Groups(path);                                                                                  // [S]
        Value column = g.Constant(-1, 1);

        // Tokens of the past belong to no image of this run.
        Value past = g.Node("Sub", $"{path}.past", _lengths.Past, _first).Output(ElementType.Int64);
        Value pads = g.Node("Concat", $"{path}.pads", past, g.Constant(0)).Set("axis", 0).Output(ElementType.Int64);
        Value keyGroup = g.Node("Pad", $"{path}.key_group", group, pads).Output(ElementType.Int64);                  // [T − first]
        Value queryGroup = g.Node("Reshape", $"{path}.query_group", group, column).Output(ElementType.Int64);        // [S, 1]
        Value same = g.Node("Equal", $"{path}.same", queryGroup, keyGroup).Output(ElementType.Bool);
        Value inImage = g.Node("Greater", $"{path}.in_image", queryGroup, g.Constant(0)).Output(ElementType.Bool);
        Value sameImage = g.Node("And", $"{path}.same_image", same, inImage).Output(ElementType.Bool);

        Value key = Places($"{path}.key", _first);                                                                   // [T − first]
        Value query = g.Node("Reshape", $"{path}.query", Places($"{path}.query", _lengths.Past), column).Output(ElementType.Int64);
        Value causal = g.Node("LessOrEqual", $"{path}.causal", key, query).Output(ElementType.Bool);
        Value seen = g.Node("Or", $"{path}.seen", causal, sameImage).Output(ElementType.Bool);
        if (window is int reach)
        {
            Value end = g.Node("Sub", $"{path}.reach", query, g.Constant(reach)).Output(ElementType.Int64);
            Value near = g.Node("Greater", $"{path}.near", key, end).Output(ElementType.Bool);
            seen = g.Node("And", $"{path}.near", seen, near).Output(ElementType.Bool);
        }

        return g.Node("Where", path, seen, g.Scalar(0, _model.Type), g.Scalar(Hidden, _model.Type)).Output(_model.Type);
    }

    /// <summary>
    /// int64 [S]: 1, 2, … for the tokens of the first image, the second, …; 0 for text. A group begins where a placeholder follows another token.
    /// </summary>
    private Value Groups(string path)
    {
        GraphBuilder g = _model.Graph;
        Value tokens = g.Node("Reshape", $"{path}.tokens", _images.ImageTokens($"{path}.tokens"), g.Constant(-1)).Output(ElementType.Bool);
        Value isImage = g.Cast($"{path}.tokens", tokens, ElementType.Int64);
        Value before = g.Node("Pad", $"{path}.before", isImage, g.Constant(1, -1)).Output(ElementType.Int64);
        Value begins = g.Node("Greater", $"{path}.begins", isImage, before).Output(ElementType.Bool);
        Value count = g.Node("CumSum", $"{path}.groups", g.Cast($"{path}.begins", begins, ElementType.Int64), g.Scalar(0)).Output(ElementType.Int64);
        return g.Node("Mul", $"{path}.groups", count, isImage).Output(ElementType.Int64);
    }

    /// <summary>int64 [T − first]: the positions in the sequence from the first one to the end.</summary>
    private Value Places(string path, Value first)
    {
        GraphBuilder g = _model.Graph;
        Value start = g.Node("Squeeze", $"{path}.start", first).Output(ElementType.Int64);
        Value end = g.Node("Squeeze", $"{path}.end", _total).Output(ElementType.Int64);
        return g.Node("Range", path, start, end, g.Scalar(1)).Output(ElementType.Int64);
    }
}
