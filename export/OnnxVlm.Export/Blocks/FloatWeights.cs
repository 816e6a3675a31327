using System.Runtime.InteropServices;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Blocks;

/// <summary>A weight of 32-bit or 16-bit floats, copied from the rows of one checkpoint tensor, or of several tensors one after the other.</summary>
internal sealed class FloatWeights(Initializer initializer, StackedMatrix matrix) : MatrixWeights(matrix)
{
    public override string Name => initializer.Name;

    public override IReadOnlyList<Initializer> Initializers { get; } = [initializer];

    public override void Write(long firstRow, ReadOnlySpan<float> numbers, ExternalDataFile file)
    {
        if (initializer.Type == ElementType.Float32)
            file.Write(initializer, firstRow * RowElements * sizeof(float), MemoryMarshal.AsBytes(numbers));
        else
            file.Write(initializer, firstRow * RowElements * sizeof(ushort), MemoryWeights.Encode(initializer.Name, numbers, initializer.Type));
    }
}
