using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>What attention wants to know of the attention mask, computed once a run. The sequences of a batch may have different lengths.</summary>
/// <param name="LastPosition">int32 [B]: tokens of the sequence, minus one.</param>
/// <param name="Total">int32 scalar: T.</param>
/// <param name="Past">int64 [1]: T − S, the position of the first token of this run in the longest sequence; only where it is asked for.</param>
/// <param name="Starts">int64 [B, 1]: the position of the first token of this run in each sequence; only where it is asked for.</param>
/// <param name="Positions">int64 [B, S]: the position of each token of this run in its sequence; only where it is asked for.</param>
internal sealed record SequenceLengths(Value LastPosition, Value Total, Value Past, Value Starts, Value Positions)
{
    /// <summary>Computes the lengths.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="withPast">Whether <see cref="Past"/>, <see cref="Starts"/> and <see cref="Positions"/> are needed; they are in any case where rotations are nodes of their own.</param>
    public static SequenceLengths Create(ModelGraph model, bool withPast = false)
    {
        GraphBuilder g = model.Graph;
        Value sum = g.Node("ReduceSum", "attention_mask", model.AttentionMask, g.Constant(1)).Set("keepdims", 0).Output(ElementType.Int64);
        Value last = g.Node("Sub", "attention_mask", sum, g.Constant(1)).Output(ElementType.Int64);
        Value lastPosition = g.Cast("attention_mask.last_position", last, ElementType.Int32);
        Value shape = g.Node("Shape", "attention_mask", model.AttentionMask).Output(ElementType.Int64);
        Value total = g.Node("Gather", "attention_mask.total", shape, g.Scalar(1)).Set("axis", 0).Output(ElementType.Int64);
        Value total32 = g.Cast("attention_mask.total", total, ElementType.Int32);
        if (!withPast && !model.Target.RotatesApart)
            return new SequenceLengths(lastPosition, total32, Value.None, Value.None, Value.None);

        Value longest = g.Node("Shape", "past.total", model.AttentionMask).Set("start", 1).Set("end", 2).Output(ElementType.Int64);
        Value now = g.Node("Shape", "past.now", model.InputIds).Set("start", 1).Set("end", 2).Output(ElementType.Int64);
        Value past = g.Node("Sub", "past", longest, now).Output(ElementType.Int64);
        Value lengths = g.Node("Unsqueeze", "positions.lengths", sum, g.Constant(1)).Output(ElementType.Int64);
        Value starts = g.Node("Sub", "positions.starts", lengths, now).Output(ElementType.Int64);
        Value count = g.Node("Squeeze", "positions.count", now).Output(ElementType.Int64);
        Value steps = g.Node("Range", "positions.steps", g.Scalar(0), count, g.Scalar(1)).Output(ElementType.Int64);
        return new SequenceLengths(lastPosition, total32, past, starts, g.Node("Add", "positions", starts, steps).Output(ElementType.Int64));
    }
}
