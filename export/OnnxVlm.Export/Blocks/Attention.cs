using OnnxVlm.Export.Onnx;

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
        WindowLengths? kept = shape.Window is null ? null : lengths.Window;
        string past = kept is null ? "past" : WindowPast, total = kept is null ? "total" : "window_total";
        Value pastKey = g.Input($"past_key_values.{layer}.key", model.Type, "batch", shape.KeyValueHeads, past, stored);
        Value pastValue = g.Input($"past_key_values.{layer}.value", model.Type, "batch", shape.KeyValueHeads, past, stored);
        if (rotary is not null && model.Target.RotatesApart)
        {
            (q, k) = (model.Rotate($"{key}.q", q, shape.Heads, rotary, lengths), model.Rotate($"{key}.k", k, shape.KeyValueHeads, rotary, lengths));
            rotary = null;
        }

        List<Value> inputs = [q, k, v, pastKey, pastValue, kept?.LastPosition ?? lengths.LastPosition, kept?.Total ?? lengths.Total];
        if (rotary is not null)
            inputs.AddRange([rotary.Cos, rotary.Sin]);
        if (rotary is not null && kept is not null)
            inputs.Add(lengths.Positions);
        NodeBuilder attention = g.Fused("GroupQueryAttention", key, [.. inputs])
            .Set("num_heads", shape.Heads).Set("kv_num_heads", shape.KeyValueHeads).Set("scale", shape.Scale)
            .Set("do_rotary", rotary is null ? 0 : 1).Set("rotary_interleaved", 0);
        if (shape.Window is int window)
            attention.Set("local_window_size", window);
        Value attended = attention.Output(model.Type);
        Value presentKey = attention.Output($"present.{layer}.key", model.Type), presentValue = attention.Output($"present.{layer}.value", model.Type);
        g.Output(presentKey, "batch", shape.KeyValueHeads, total, stored);
        g.Output(presentValue, "batch", shape.KeyValueHeads, total, stored);
        if (stored != shape.ValueSize)
            attended = model.CutHeads(key, attended, shape);
        return images is null ? attended : images.Apply(key, attended, q, presentKey, presentValue, shape, rotary);
    }

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

    private static Value FillHeads(ModelGraph model, string path, Value x, int size, AttentionShape shape)
    {
        GraphBuilder g = model.Graph;
        int parts = shape.FillHalves ? 2 : 1;
        Value heads = g.Node("Reshape", $"{path}.heads", x, g.Constant(0, 0, -1, size / parts)).Output(model.Type);
        Value filled = g.Node("Pad", path, heads, g.Constant(0, (shape.StoredHeadSize - size) / parts), Value.None, g.Constant(-1)).Output(model.Type);
        return g.Node("Reshape", $"{path}.filled", filled, g.Constant(0, 0, -1)).Output(model.Type);
    }
}
