namespace OnnxVlm.Export.Tests.Support;

/// <summary>Normally distributed weights of a tiny model, reproducible from a seed.</summary>
/// <param name="seed">The seed.</param>
/// <param name="dtype">The element type of safetensors that the numbers are rounded to.</param>
internal sealed class TinyWeights(int seed, string dtype)
{
    private readonly Random _random = new(seed);

    /// <summary>Name to shape and numbers, row-major, in the order of their creation.</summary>
    public Dictionary<string, (long[] Shape, float[] Numbers)> Tensors { get; } = [];

    public void Fill(string name, long[] shape, double mean, double deviation)
    {
        float[] numbers = new float[shape.Aggregate(1L, (product, side) => product * side)];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = SafetensorsWriter.RoundTo(dtype, (float)(mean + (deviation * Normal())));
        Tensors.Add(name, (shape, numbers));
    }

    /// <summary>A number with mean 0 and deviation 1 (Box and Muller, 1958).</summary>
    private double Normal() => Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());
}
