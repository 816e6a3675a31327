namespace OnnxVlm.Export.Onnx;

/// <summary>One side of a graph input or output: a number, or a name for a size known only when the graph runs.</summary>
internal readonly record struct Dimension(long Size, string? Name)
{
    public static implicit operator Dimension(long size) => new(size, null);

    public static implicit operator Dimension(string name) => new(0, name);
}
