using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>Fills rotary tables, computed in float64 row by row; at long contexts they are hundreds of megabytes.</summary>
internal sealed class RotaryTableWeights(Initializer cos, Initializer sin, double[] frequencies) : WeightSource
{
    public override string Name => cos.Name;

    public override IReadOnlyList<Initializer> Initializers { get; } = [cos, sin];

    public override long Rows => cos.Shape[0];

    public override long RowElements => 2L * frequencies.Length;

    public override void WriteRows(long firstRow, int rowCount, ExternalDataFile file)
    {
        int columns = frequencies.Length;
        float[] cosines = new float[rowCount * columns], sines = new float[rowCount * columns];
        for (int i = 0; i < cosines.Length; i++)
        {
            (double s, double c) = Math.SinCos((firstRow + (i / columns)) * frequencies[i % columns]);
            (cosines[i], sines[i]) = ((float)c, (float)s);
        }

        byte[] bytes = MemoryWeights.Encode(cos.Name, cosines, cos.Type);
        long offset = firstRow * (bytes.Length / rowCount);
        file.Write(cos, offset, bytes);
        file.Write(sin, offset, MemoryWeights.Encode(sin.Name, sines, sin.Type));
    }
}
