namespace OnnxVlm.Export.Onnx;

/// <summary>A weight that lies in <c>model.onnx.data</c>.</summary>
/// <param name="Name">Its name in the graph.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Its shape, row-major.</param>
/// <param name="Offset">First byte in the data file.</param>
/// <param name="SizeBytes">Bytes it takes there.</param>
internal sealed record Initializer(string Name, ElementType Type, IReadOnlyList<long> Shape, long Offset, long SizeBytes)
{
    public Value Value => new(Name, Type);
}
