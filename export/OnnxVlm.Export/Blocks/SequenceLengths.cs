using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>What GroupQueryAttention wants to know of the attention mask, computed once a run.</summary>
/// <param name="LastPosition">int32 [B]: tokens of the sequence, minus one.</param>
/// <param name="Total">int32 scalar: T.</param>
/// <param name="Past">int64 [1]: T − S, the position of the first token of this run; only where it is asked for.</param>
internal sealed record SequenceLengths(Value LastPosition, Value Total, Value Past)
{
    /// <summary>Computes the lengths.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="withPast">Whether <see cref="Past"/> is needed; it is in any case where rotations are nodes of their own.</param>
    public static SequenceLengths Create(ModelGraph model, bool withPast = false)
    {
        GraphBuilder g = model.Graph;
        Value sum = g.Node("ReduceSum", "attention_mask", model.AttentionMask, g.Constant(1)).Set("keepdims", 0).Output(ElementType.Int64);
        Value last = g.Node("Sub", "attention_mask", sum, g.Constant(1)).Output(ElementType.Int64);
        Value lastPosition = g.Cast("attention_mask.last_position", last, ElementType.Int32);
        Value shape = g.Node("Shape", "attention_mask", model.AttentionMask).Output(ElementType.Int64);
        Value total = g.Node("Gather", "attention_mask.total", shape, g.Scalar(1)).Set("axis", 0).Output(ElementType.Int64);
        return new SequenceLengths(lastPosition, g.Cast("attention_mask.total", total, ElementType.Int32), withPast || model.Target.RotatesApart ? PastLength(g, model) : Value.None);
    }

    private static Value PastLength(GraphBuilder g, ModelGraph model)
    {
        Value total = g.Node("Shape", "past.total", model.AttentionMask).Set("start", 1).Set("end", 2).Output(ElementType.Int64);
        Value now = g.Node("Shape", "past.now", model.InputIds).Set("start", 1).Set("end", 2).Output(ElementType.Int64);
        return g.Node("Sub", "past", total, now).Output(ElementType.Int64);
    }
}
