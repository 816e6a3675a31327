using System.Buffers;
using System.Runtime.InteropServices;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Blocks;

/// <summary>A weight of 32-bit or 16-bit floats, copied from the rows of one checkpoint tensor or of several one after the other.</summary>
internal sealed class FloatRows(Initializer initializer, CheckpointRows rows) : WeightSource
{
    public override string Name => initializer.Name;

    public override IReadOnlyList<Initializer> Initializers { get; } = [initializer];

    public override long Rows => rows.Count;

    public override long RowElements => rows.Width;

    public override void WriteRows(long firstRow, int rowCount, ExternalDataFile file)
    {
        int count = checked(rowCount * rows.Width);
        float[] rented = ArrayPool<float>.Shared.Rent(count);
        try
        {
            Span<float> numbers = rented.AsSpan(0, count);
            rows.Read(firstRow, numbers);
            if (initializer.Type == ElementType.Float32)
            {
                file.Write(initializer, firstRow * rows.Width * sizeof(float), MemoryMarshal.AsBytes(numbers));
                return;
            }

            file.Write(initializer, firstRow * rows.Width * sizeof(ushort), MemoryWeights.Encode(initializer.Name, numbers, initializer.Type));
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }
}
