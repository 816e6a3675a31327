using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace OnnxVlm.Export.Onnx;

/// <summary>A small weight that is computed at export and held in memory: norms, rotary tables, a folded projection.</summary>
internal sealed class MemoryWeights(Initializer initializer, byte[] bytes) : WeightSource
{
    public override string Name => initializer.Name;

    public override IReadOnlyList<Initializer> Initializers { get; } = [initializer];

    public override long Rows => 1;

    public override long RowElements => bytes.Length;

    /// <summary>The bytes of numbers in the given element type.</summary>
    /// <exception cref="ModelLoadException">A number does not fit 16 bits.</exception>
    public static byte[] Encode(string name, ReadOnlySpan<float> numbers, ElementType type)
    {
        if (type == ElementType.Float32)
            return MemoryMarshal.AsBytes(numbers).ToArray();
        float largest = TensorPrimitives.MaxMagnitude(numbers);
        if (largest > (float)Half.MaxValue)
            throw new ModelLoadException($"{name}: a weight of {largest} does not fit 16 bits (65504 at most); export it as fp32, int8 or int4");
        byte[] bytes = new byte[numbers.Length * sizeof(ushort)];
        TensorPrimitives.ConvertToHalf(numbers, MemoryMarshal.Cast<byte, Half>(bytes.AsSpan()));
        return bytes;
    }

    public override void WriteRows(long firstRow, int rowCount, ExternalDataFile file) => file.Write(initializer, 0, bytes);
}
