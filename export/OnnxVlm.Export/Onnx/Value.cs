namespace OnnxVlm.Export.Onnx;

/// <summary>A handle to a tensor of the graph under construction.</summary>
/// <param name="Name">The tensor's name; empty for an input or output that is left out.</param>
/// <param name="Type">Its element type.</param>
internal readonly record struct Value(string Name, ElementType Type)
{
    /// <summary>An optional input or output that is left out.</summary>
    public static Value None { get; } = new("", ElementType.Float32);
}
