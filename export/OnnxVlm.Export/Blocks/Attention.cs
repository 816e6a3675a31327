using OnnxVlm.Export.Onnx;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Blocks;

/// <summary>Causal grouped-query attention with rotary positions and a key/value cache.</summary>
internal static class Attention
{
    /// <summary>Name of the side of a cache that may lack the first tokens.</summary>
    public const string WindowPast = "window_past";

    /// <summary>o_proj(attention of the projections of x).</summary>
    /// <returns>[B, S, H].</returns>
    public static Value SelfAttention(this ModelGraph model, string key, int layer, Value x, AttentionShape shape, RotaryTables rotary, SequenceLengths lengths)
    {
        int queries = shape.Heads * shape.HeadSize, keys = shape.KeyValueHeads * shape.HeadSize;
        (string Key, int Rows) q = ($"{key}.q_proj.weight", queries), k = ($"{key}.k_proj.weight", keys), v = ($"{key}.v_proj.weight", keys);
        Value attended = model.Target.SeparateQueryKeyValue
            ? model.Attend(key, layer, Part("q_proj", q), Part("k_proj", k), Part("v_proj", v), shape, rotary, lengths)
            : model.Attend(key, layer, model.Linear($"{key}.qkv_proj", x, shape.Hidden, q, k, v), Value.None, Value.None, shape, rotary, lengths);
        return model.Linear($"{key}.o_proj", attended, queries, ($"{key}.o_proj.weight", shape.Hidden));

        Value Part(string name, (string Key, int Rows) part) => model.Linear($"{key}.{name}", x, shape.Hidden, part);
    }

    /// <summary>Several projections of x, computed by one multiplication and split.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="key">The checkpoint's key of the layer.</param>
    /// <param name="x">[B, S, width].</param>
    /// <param name="width">Inputs.</param>
    /// <param name="parts">Name and rows of each projection.</param>
    /// <returns>[B, S, rows] each.</returns>
    public static Value[] Project(this ModelGraph model, string key, Value x, int width, params (string Name, int Rows)[] parts)
    {
        (string Key, int Rows)[] matrices = [.. parts.Select(part => ($"{key}.{part.Name}.weight", part.Rows))];
        if (model.Target.SeparateQueryKeyValue)
            return [.. parts.Zip(matrices, (part, matrix) => model.Linear($"{key}.{part.Name}", x, width, matrix))];
        Value packed = model.Linear($"{key}.qkv_proj", x, width, matrices);
        NodeBuilder split = model.Graph.Node("Split", key, packed, model.Graph.Constant([.. parts.Select(part => (long)part.Rows)])).Set("axis", -1);
        return [.. parts.Select(_ => split.Output(model.Type))];
    }

    /// <summary>
    /// softmax(q·kᵀ · scale) · v, q and k rotated by halves at their index in the sequence. Adds the inputs <c>past_key_values.i.key|value</c> and
    /// the outputs <c>present.i.key|value</c>, [B, key/value heads, past or T, stored head size]; of a layer with a window, whose cache may lack the
    /// first tokens, the third side is called window_past.
    /// </summary>
    /// <param name="model">The graph.</param>
    /// <param name="key">Path of the layer.</param>
    /// <param name="layer">Its index.</param>
    /// <param name="q">[B, S, heads · head size]. Or q, k and v one after the other, with <see cref="Value.None"/> for the next two.</param>
    /// <param name="k">[B, S, key/value heads · head size].</param>
    /// <param name="v">[B, S, key/value heads · value size].</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="rotary">The tables. They may be narrower than half a head; the rest of the head is then not rotated. Null where q and k
    /// are already rotated.</param>
    /// <param name="lengths">Lengths of the sequences.</param>
    /// <param name="images">Lets the tokens of an image attend to each other in both directions; null for a causal layer. It needs
    /// separate q, k and v.</param>
    /// <returns>[B, S, heads · value size].</returns>
    public static Value Attend(
        this ModelGraph model, string key, int layer, Value q, Value k, Value v, AttentionShape shape, RotaryTables? rotary, SequenceLengths lengths,
        ImageAttention? images = null)
    {
        GraphBuilder g = model.Graph;
        int stored = shape.StoredHeadSize;
        if (stored != shape.HeadSize)
            (q, k) = (FillHeads(model, $"{key}.q", q, shape.HeadSize, shape), FillHeads(model, $"{key}.k", k, shape.HeadSize, shape));
        if (stored != shape.ValueSize)
            v = FillHeads(model, $"{key}.v", v, shape.ValueSize, shape);
        if (model.Target.QuantizesCache)
            RefuseQuantizedCache(model.Target, key, shape);
        WindowLengths? kept = shape.Window is null ? null : lengths.Window;
        if (rotary is not null && model.Target.RotatesApart)
        {
            (q, k) = (model.Rotate($"{key}.q", q, shape.Heads, rotary, lengths), model.Rotate($"{key}.k", k, shape.KeyValueHeads, rotary, lengths));
            rotary = null;
        }

        (Value Key, Value Value)? scales = model.Target.CacheScales?.Of(g, layer, shape);
        bool measures = model.Target.MeasuresCacheError;
        (Value attended, Value presentKey, Value presentValue) = Node(key, "", measures ? null : scales);
        if (measures)
        {
            Value difference = g.Node("Sub", $"{key}.cache_error", Node($"{key}.quantized", "quantized.", scales).Attended, attended).Output(model.Type);
            Sum("error", difference);
            Sum("answer", attended);
        }

        if (stored != shape.ValueSize)
            attended = model.CutHeads(key, attended, shape);
        return images is null ? attended : images.Apply(key, attended, q, presentKey, presentValue, shape, rotary, measures ? null : scales);

        (Value Attended, Value Key, Value Value) Node(string path, string prefix, (Value Key, Value Value)? scales)
        {
            ElementType type = scales is null ? model.Type : ElementType.Int8;
            string past = kept is null ? "past" : WindowPast, total = kept is null ? "total" : "window_total";
            Value pastKey = g.Input($"{prefix}past_key_values.{layer}.key", type, "batch", shape.KeyValueHeads, past, stored);
            Value pastValue = g.Input($"{prefix}past_key_values.{layer}.value", type, "batch", shape.KeyValueHeads, past, stored);

            // Of the optional inputs: 7 and 8 the tables, 9 positions, 12 and 13 the scales. The last that are left out are not named.
            Value[] optional = [rotary?.Cos ?? Value.None, rotary?.Sin ?? Value.None, rotary is null || kept is null ? Value.None : lengths.Positions, Value.None, Value.None, scales?.Key ?? Value.None, scales?.Value ?? Value.None];
            int named = Array.FindLastIndex(optional, value => value != Value.None) + 1;
            NodeBuilder attention = g.Fused("GroupQueryAttention", path, [q, k, v, pastKey, pastValue, kept?.LastPosition ?? lengths.LastPosition, kept?.Total ?? lengths.Total, .. optional[..named]])
                .Set("num_heads", shape.Heads).Set("kv_num_heads", shape.KeyValueHeads).Set("scale", shape.Scale)
                .Set("do_rotary", rotary is null ? 0 : 1).Set("rotary_interleaved", 0);
            if (shape.Window is int window)
                attention.Set("local_window_size", window);
            if (scales is not null)
                attention.Set("k_quant_type", "PER_CHANNEL").Set("v_quant_type", "PER_CHANNEL").Set("kv_cache_bit_width", 8);
            Value answer = attention.Output(model.Type);
            Value presentKey = attention.Output($"{prefix}present.{layer}.key", type), presentValue = attention.Output($"{prefix}present.{layer}.value", type);
            g.Output(presentKey, "batch", shape.KeyValueHeads, total, stored);
            g.Output(presentValue, "batch", shape.KeyValueHeads, total, stored);
            return (answer, presentKey, presentValue);
        }

        void Sum(string name, Value x)
        {
            Value numbers = model.Type == ElementType.Float32 ? x : g.Cast($"{key}.cache_{name}", x, ElementType.Float32);
            g.Output(g.Node("ReduceSumSquare", $"{key}.cache_{name}", numbers).Set("keepdims", 0).Output(CacheErrorOutput(layer, name), ElementType.Float32));
        }
    }

    /// <summary>Name of the output with the sum of squares of what 8 bits change in a layer's answer, <c>error</c>, or of the answer, <c>answer</c>; where the target measures it.</summary>
    public static string CacheErrorOutput(int layer, string name) => $"cache_{name}.{layer}";

    /// <summary>Rotates the first elements of each head by halves, at the positions that the run's tokens have in their sequences.</summary>
    /// <returns>As x, [B, S, heads · size].</returns>
    public static Value Rotate(this ModelGraph model, string path, Value x, int heads, RotaryTables rotary, SequenceLengths lengths) =>
        model.Graph.Fused("RotaryEmbedding", path, x, lengths.Positions, rotary.Cos, rotary.Sin)
            .Set("num_heads", heads).Set("rotary_embedding_dim", rotary.Dimensions).Set("interleaved", 0).Output(model.Type);

    /// <summary>Removes the padding of the value heads: [B, S, heads · stored head size] → [B, S, heads · value size].</summary>
    public static Value CutHeads(this ModelGraph model, string path, Value x, AttentionShape shape)
    {
        GraphBuilder g = model.Graph;
        int parts = shape.FillHalves ? 2 : 1;
        Value heads = g.Node("Reshape", $"{path}.heads", x, g.Constant(0, 0, shape.Heads * parts, shape.StoredHeadSize / parts)).Output(model.Type);
        Value cut = g.Node("Slice", $"{path}.cut", heads, g.Constant(0), g.Constant(shape.ValueSize / parts), g.Constant(-1)).Output(model.Type);
        return g.Node("Reshape", $"{path}.cut", cut, g.Constant(0, 0, shape.Heads * shape.ValueSize)).Output(model.Type);
    }

    /// <summary>CUDA's attention reads 8 bits without a detour for some shapes only (docs/contrib_ops/cuda/gqa.md).</summary>
    private static void RefuseQuantizedCache(ExportTarget target, string key, AttentionShape shape)
    {
        int group = shape.Heads / shape.KeyValueHeads;
        if (target.Device == Device.Cuda && (group is not (4 or 8 or 16 or 32) || shape.StoredHeadSize is not (64 or 128 or 256)))
        {
            throw new UnsupportedModelException(
                $"{key}: a cache in 8 bits: CUDA's attention is fast with it for 4, 8, 16 or 32 query heads to a key head, of 64, 128 or 256 numbers; found {group} of {shape.StoredHeadSize}; leave it out (--kv)");
        }
    }

    private static Value FillHeads(ModelGraph model, string path, Value x, int size, AttentionShape shape)
    {
        GraphBuilder g = model.Graph;
        int parts = shape.FillHalves ? 2 : 1;
        Value heads = g.Node("Reshape", $"{path}.heads", x, g.Constant(0, 0, -1, size / parts)).Output(model.Type);
        Value filled = g.Node("Pad", path, heads, g.Constant(0, (shape.StoredHeadSize - size) / parts), Value.None, g.Constant(-1)).Output(model.Type);
        return g.Node("Reshape", $"{path}.filled", filled, g.Constant(0, 0, -1)).Output(model.Type);
    }
}
