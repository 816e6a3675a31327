using System.Runtime.InteropServices;

namespace OnnxVlm.Export.Onnx;

/// <summary>A small weight that was computed at export and is held in memory: norms, rotary tables, a folded projection.</summary>
internal sealed class MemoryWeights(Initializer initializer, byte[] bytes) : WeightSource
{
    public override string Name => initializer.Name;

    public override IReadOnlyList<Initializer> Initializers { get; } = [initializer];

    public override long Rows => 1;

    public override long RowElements => bytes.Length;

    /// <summary>The bytes of numbers in the element type asked for.</summary>
    /// <exception cref="ModelLoadException">A number does not fit 16 bits.</exception>
    public static byte[] Encode(string name, ReadOnlySpan<float> numbers, ElementType type)
    {
        if (type == ElementType.Float32)
            return MemoryMarshal.AsBytes(numbers).ToArray();
        byte[] bytes = new byte[numbers.Length * sizeof(ushort)];
        FloatRows.ToHalf(name, numbers, MemoryMarshal.Cast<byte, Half>(bytes.AsSpan()));
        return bytes;
    }

    public override void WriteRows(long firstRow, int rowCount, ExternalDataFile file) => file.Write(initializer, 0, bytes);
}
