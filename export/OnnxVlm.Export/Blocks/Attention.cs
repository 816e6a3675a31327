using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>Causal grouped-query attention with rotary positions and a key/value cache.</summary>
internal static class Attention
{
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

    /// <summary>
    /// softmax(q·kᵀ / sqrt(head size)) · v, q and k rotated by halves at their index in the sequence. Adds the inputs
    /// <c>past_key_values.i.key|value</c> and the outputs <c>present.i.key|value</c>, [B, key/value heads, past or T, head size].
    /// </summary>
    /// <param name="model">The graph.</param>
    /// <param name="key">Path of the layer.</param>
    /// <param name="layer">Its index.</param>
    /// <param name="q">[B, S, heads · head size]; or q, k and v one after the other, and <see cref="Value.None"/> for the next two.</param>
    /// <param name="k">[B, S, key/value heads · head size].</param>
    /// <param name="v">[B, S, key/value heads · head size].</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="rotary">The tables; they may be narrower than half a head, and the rest of the head is not rotated then.</param>
    /// <param name="lengths">Lengths of the sequences.</param>
    /// <returns>[B, S, heads · head size].</returns>
    public static Value Attend(
        this ModelGraph model, string key, int layer, Value q, Value k, Value v, AttentionShape shape, RotaryTables rotary, SequenceLengths lengths)
    {
        GraphBuilder g = model.Graph;
        if (shape.StoredHeadSize != shape.HeadSize)
            (q, k, v) = (FillHeads(model, $"{key}.q", q, shape), FillHeads(model, $"{key}.k", k, shape), FillHeads(model, $"{key}.v", v, shape));
        Value pastKey = g.Input($"past_key_values.{layer}.key", model.Type, "batch", shape.KeyValueHeads, "past", shape.StoredHeadSize);
        Value pastValue = g.Input($"past_key_values.{layer}.value", model.Type, "batch", shape.KeyValueHeads, "past", shape.StoredHeadSize);
        bool rotateApart = model.Target.RotatesApart;
        if (rotateApart)
            (q, k) = (Rotate(model, $"{key}.q", q, shape.Heads, rotary, lengths), Rotate(model, $"{key}.k", k, shape.KeyValueHeads, rotary, lengths));
        NodeBuilder attention = (rotateApart
            ? g.Fused("GroupQueryAttention", key, q, k, v, pastKey, pastValue, lengths.LastPosition, lengths.Total)
            : g.Fused("GroupQueryAttention", key, q, k, v, pastKey, pastValue, lengths.LastPosition, lengths.Total, rotary.Cos, rotary.Sin))
            .Set("num_heads", shape.Heads).Set("kv_num_heads", shape.KeyValueHeads).Set("scale", (float)(1 / Math.Sqrt(shape.HeadSize)))
            .Set("do_rotary", rotateApart ? 0 : 1).Set("rotary_interleaved", 0);
        Value attended = attention.Output(model.Type);
        g.Output(attention.Output($"present.{layer}.key", model.Type), "batch", shape.KeyValueHeads, "total", shape.StoredHeadSize);
        g.Output(attention.Output($"present.{layer}.value", model.Type), "batch", shape.KeyValueHeads, "total", shape.StoredHeadSize);
        return shape.StoredHeadSize == shape.HeadSize ? attended : CutHeads(model, key, attended, shape);
    }

    private static Value Rotate(ModelGraph model, string path, Value x, int heads, RotaryTables rotary, SequenceLengths lengths) =>
        model.Graph.Fused("RotaryEmbedding", path, x, lengths.Past, rotary.Cos, rotary.Sin)
            .Set("num_heads", heads).Set("rotary_embedding_dim", rotary.Dimensions).Set("interleaved", 0).Output(model.Type);

    private static Value FillHeads(ModelGraph model, string path, Value x, AttentionShape shape)
    {
        GraphBuilder g = model.Graph;
        Value heads = g.Node("Reshape", $"{path}.heads", x, g.Constant(0, 0, -1, shape.HeadSize)).Output(model.Type);
        Value filled = g.Node("Pad", path, heads, g.Constant(0, shape.StoredHeadSize - shape.HeadSize), Value.None, g.Constant(-1)).Output(model.Type);
        return g.Node("Reshape", $"{path}.filled", filled, g.Constant(0, 0, -1)).Output(model.Type);
    }

    private static Value CutHeads(ModelGraph model, string path, Value x, AttentionShape shape)
    {
        GraphBuilder g = model.Graph;
        Value heads = g.Node("Reshape", $"{path}.heads", x, g.Constant(0, 0, shape.Heads, shape.StoredHeadSize)).Output(model.Type);
        Value cut = g.Node("Slice", $"{path}.cut", heads, g.Constant(0), g.Constant(shape.HeadSize), g.Constant(-1)).Output(model.Type);
        return g.Node("Reshape", $"{path}.cut", cut, g.Constant(0, 0, shape.Heads * shape.HeadSize)).Output(model.Type);
    }
}
