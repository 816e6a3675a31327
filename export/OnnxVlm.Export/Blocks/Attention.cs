using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>Causal grouped-query attention with rotary positions and a key/value cache.</summary>
internal static class Attention
{
    /// <summary>
    /// o_proj(softmax(q·kᵀ / sqrt(head size)) · v), q and k rotated by halves at their index in the sequence. Adds the inputs
    /// <c>past_key_values.i.key|value</c> and the outputs <c>present.i.key|value</c>, [B, key/value heads, past or T, head size].
    /// </summary>
    /// <returns>[B, S, H].</returns>
    public static Value SelfAttention(this ModelGraph model, string key, int layer, Value x, AttentionShape shape, RotaryTables rotary, SequenceLengths lengths)
    {
        GraphBuilder g = model.Graph;
        int queries = shape.Heads * shape.HeadSize, keys = shape.KeyValueHeads * shape.HeadSize;
        Value packed = model.Linear(
            $"{key}.qkv_proj", x, shape.Hidden, ($"{key}.q_proj.weight", queries), ($"{key}.k_proj.weight", keys), ($"{key}.v_proj.weight", keys));

        Value pastKey = g.Input($"past_key_values.{layer}.key", model.Type, "batch", shape.KeyValueHeads, "past", shape.HeadSize);
        Value pastValue = g.Input($"past_key_values.{layer}.value", model.Type, "batch", shape.KeyValueHeads, "past", shape.HeadSize);
        NodeBuilder attention = g
            .Fused("GroupQueryAttention", key, packed, Value.None, Value.None, pastKey, pastValue, lengths.LastPosition, lengths.Total, rotary.Cos, rotary.Sin)
            .Set("num_heads", shape.Heads).Set("kv_num_heads", shape.KeyValueHeads).Set("scale", (float)(1 / Math.Sqrt(shape.HeadSize)))
            .Set("do_rotary", 1).Set("rotary_interleaved", 0);
        Value attended = attention.Output(model.Type);
        g.Output(attention.Output($"present.{layer}.key", model.Type), "batch", shape.KeyValueHeads, "total", shape.HeadSize);
        g.Output(attention.Output($"present.{layer}.value", model.Type), "batch", shape.KeyValueHeads, "total", shape.HeadSize);
        return model.Linear($"{key}.o_proj", attended, queries, ($"{key}.o_proj.weight", shape.Hidden));
    }
}
