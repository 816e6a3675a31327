using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Onnx;

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

            Half[] halves = ArrayPool<Half>.Shared.Rent(count);
            ToHalf(initializer.Name, numbers, halves);
            file.Write(initializer, firstRow * rows.Width * sizeof(ushort), MemoryMarshal.AsBytes(halves.AsSpan(0, count)));
            ArrayPool<Half>.Shared.Return(halves);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }

    /// <summary>Rounds to 16 bits.</summary>
    /// <exception cref="ModelLoadException">A number is beyond ±65504.</exception>
    public static void ToHalf(string name, ReadOnlySpan<float> source, Span<Half> destination)
    {
        TensorPrimitives.ConvertToHalf(source, destination);
        if (TensorPrimitives.MaxMagnitude(source) > (float)Half.MaxValue)
            throw new ModelLoadException($"{name}: a weight of {TensorPrimitives.MaxMagnitude(source)} does not fit 16 bits (65504 at most); export it as fp32, int8 or int4");
    }
}
