using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>What GroupQueryAttention wants to know of the attention mask, computed once a run.</summary>
/// <param name="LastPosition">int32 [B]: tokens of the sequence, minus one.</param>
/// <param name="Total">int32 scalar: T.</param>
internal sealed record SequenceLengths(Value LastPosition, Value Total)
{
    public static SequenceLengths Create(ModelGraph model)
    {
        GraphBuilder g = model.Graph;
        Value sum = g.Node("ReduceSum", "attention_mask", model.AttentionMask, g.Constant(1)).Set("keepdims", 0).Output(ElementType.Int64);
        Value last = g.Node("Sub", "attention_mask", sum, g.Constant(1)).Output(ElementType.Int64);
        Value lastPosition = g.Cast("attention_mask.last_position", last, ElementType.Int32);
        Value shape = g.Node("Shape", "attention_mask", model.AttentionMask).Output(ElementType.Int64);
        Value total = g.Node("Gather", "attention_mask.total", shape, g.Scalar(1)).Set("axis", 0).Output(ElementType.Int64);
        return new SequenceLengths(lastPosition, g.Cast("attention_mask.total", total, ElementType.Int32));
    }
}
