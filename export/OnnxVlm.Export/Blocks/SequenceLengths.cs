using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>What attention needs from the attention mask, computed once a run. The sequences of a batch may have different lengths.</summary>
/// <param name="LastPosition">int32 [B]: tokens of the sequence, minus one.</param>
/// <param name="Total">int32 scalar: T.</param>
/// <param name="Past">int64 [1]: T − S, the position of the first token of this run in the longest sequence; only where it is asked for.</param>
/// <param name="Starts">int64 [B, 1]: the position of the first token of this run in each sequence; only where it is asked for.</param>
/// <param name="Positions">int64 [B, S]: the position of each token of this run in its sequence; only where it is asked for.</param>
internal sealed record SequenceLengths(Value LastPosition, Value Total, Value Past, Value Starts, Value Positions)
{
    /// <summary>What layers with a window want to know, where their cache may lack the first tokens; null where it holds all of them.</summary>
    public WindowLengths? Window { get; init; }

    /// <summary>Computes the lengths.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="withPast">Whether <see cref="Past"/>, <see cref="Starts"/> and <see cref="Positions"/> are needed. They are always needed where
    /// rotations are nodes of their own.</param>
    /// <param name="withWindow">Whether there are layers with a window. Where the target allows it, the graph then has the input <c>evicted</c>.</param>
    public static SequenceLengths Create(ModelGraph model, bool withPast = false, bool withWindow = false)
    {
        GraphBuilder g = model.Graph;
        Value sum = g.Node("ReduceSum", "attention_mask", model.AttentionMask, g.Constant(1)).Set("keepdims", 0).Output(ElementType.Int64);
        Value last = g.Node("Sub", "attention_mask", sum, g.Constant(1)).Output(ElementType.Int64);
        Value lastPosition = g.Cast("attention_mask.last_position", last, ElementType.Int32);
        Value shape = g.Node("Shape", "attention_mask", model.AttentionMask).Output(ElementType.Int64);
        Value total = g.Node("Gather", "attention_mask.total", shape, g.Scalar(1)).Set("axis", 0).Output(ElementType.Int64);
        Value total32 = g.Cast("attention_mask.total", total, ElementType.Int32);
        withWindow &= model.Target.EvictsFromWindows;
        if (!withPast && !withWindow && !model.Target.RotatesApart)
            return new SequenceLengths(lastPosition, total32, Value.None, Value.None, Value.None);

        Value longest = g.Node("Shape", "past.total", model.AttentionMask).Set("start", 1).Set("end", 2).Output(ElementType.Int64);
        Value now = g.Node("Shape", "past.now", model.InputIds).Set("start", 1).Set("end", 2).Output(ElementType.Int64);
        Value past = g.Node("Sub", "past", longest, now).Output(ElementType.Int64);
        Value lengths = g.Node("Unsqueeze", "positions.lengths", sum, g.Constant(1)).Output(ElementType.Int64);
        Value starts = g.Node("Sub", "positions.starts", lengths, now).Output(ElementType.Int64);
        Value count = g.Node("Squeeze", "positions.count", now).Output(ElementType.Int64);
        Value steps = g.Node("Range", "positions.steps", g.Scalar(0), count, g.Scalar(1)).Output(ElementType.Int64);
        return new SequenceLengths(lastPosition, total32, past, starts, g.Node("Add", "positions", starts, steps).Output(ElementType.Int64))
        {
            Window = withWindow ? WindowLengths.Create(g, sum) : null,
        };
    }
}

/// <summary>
/// Lengths of what the cache of a layer with a window holds: a sequence without its first tokens, which no token of this run or a later one sees.
/// GroupQueryAttention does not mind that its past is shorter than the positions of the tokens say.
/// </summary>
/// <param name="Evicted">int64 [B], the input <c>evicted</c>: how many of the first tokens of each sequence are not there. At most the position of
/// the run's first token − (window − 1), and 0 or more.</param>
/// <param name="LastPosition">int32 [B]: tokens that are there after this run, minus one.</param>
/// <param name="Total">int32 scalar: tokens of the longest of them.</param>
internal sealed record WindowLengths(Value Evicted, Value LastPosition, Value Total)
{
    /// <summary>Adds the input and computes the lengths.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="lengths">int64 [B]: tokens of each sequence after this run.</param>
    public static WindowLengths Create(GraphBuilder g, Value lengths)
    {
        Value evicted = g.Input("evicted", ElementType.Int64, "batch");
        Value kept = g.Node("Sub", "window.kept", lengths, evicted).Output(ElementType.Int64);
        Value last = g.Node("Sub", "window.last_position", kept, g.Constant(1)).Output(ElementType.Int64);
        Value total = g.Node("ReduceMax", "window.total", kept).Set("keepdims", 0).Output(ElementType.Int64);
        return new WindowLengths(evicted, g.Cast("window.last_position", last, ElementType.Int32), g.Cast("window.total", total, ElementType.Int32));
    }
}
