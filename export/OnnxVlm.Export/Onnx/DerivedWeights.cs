using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Onnx;

/// <summary>
/// Weights that are computed of whole tensors, and are written when all of these have come: a norm, a bias in another order, a projection with the normalization of the pixels folded in.
/// They are small.
/// </summary>
/// <param name="initializers">What is filled.</param>
/// <param name="tensors">What it is computed of.</param>
/// <param name="compute">From the numbers of each tensor, row-major, to those of each initializer. It may change what it is given.</param>
internal sealed class DerivedWeights(IReadOnlyList<Initializer> initializers, IReadOnlyList<CheckpointTensor> tensors, Func<float[][], float[][]> compute) : WeightSource
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
    /// <param name="file">Where to.</param>
    public void Write(float[][] numbers, ExternalDataFile file)
    {
        float[][] results = compute(numbers);
        for (int i = 0; i < results.Length; i++)
            file.Write(initializers[i], 0, MemoryWeights.Encode(initializers[i].Name, results[i], initializers[i].Type));
    }
}
