using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Onnx;

/// <summary>
/// Small weights that are computed from whole tensors and written when all of these have arrived: a norm, a reordered bias, a projection that
/// includes the normalization of the pixels.
/// </summary>
/// <param name="initializers">The initializers that it fills.</param>
/// <param name="tensors">The tensors that it is computed from.</param>
/// <param name="compute">From the numbers of each tensor, row-major, to those of each initializer. It may overwrite its arguments.</param>
internal sealed class DerivedWeights(
    IReadOnlyList<Initializer> initializers, IReadOnlyList<CheckpointTensor> tensors, Func<float[][], float[][]> compute) : WeightSource
{
    public override string Name => initializers[0].Name;

    public override IReadOnlyList<Initializer> Initializers => initializers;

    public override IReadOnlyList<CheckpointTensor> Tensors => tensors;

    public override long Rows => 1;

    public override long RowElements => tensors.Sum(tensor => tensor.ElementCount);

    public override void WriteRows(long firstRow, int rowCount, ExternalDataFile file)
    {
        float[][] numbers = new float[tensors.Count][];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = new float[tensors[i].ElementCount];
            tensors[i].Read(0, numbers[i]);
        }

        Write(numbers, file);
    }

    /// <summary>Writes the weights.</summary>
    /// <param name="numbers">The numbers of each tensor.</param>
    /// <param name="file">The data file.</param>
    public void Write(float[][] numbers, ExternalDataFile file)
    {
        float[][] results = compute(numbers);
        for (int i = 0; i < results.Length; i++)
            file.Write(initializers[i], 0, MemoryWeights.Encode(initializers[i].Name, results[i], initializers[i].Type));
    }
}
