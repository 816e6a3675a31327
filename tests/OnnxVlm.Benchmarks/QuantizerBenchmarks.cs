using BenchmarkDotNet.Attributes;
using OnnxVlm.Export.Quantization;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Benchmarks;

/// <summary>Four thousand weights to 4 bits.</summary>
public class QuantizerBenchmarks
{
    private const int Width = 4096;

    private readonly float[] _row = CreateRow();
    private readonly float[] _codes = new float[128];

    /// <summary>Weights that share a scale.</summary>
    [Params(32, 128)]
    public int BlockSize { get; set; }

    /// <summary>A searched scale.</summary>
    [Benchmark]
    public float Symmetric()
    {
        float sum = 0;
        for (int start = 0; start < Width; start += BlockSize)
            sum += BlockQuantizer.Quantize(_row.AsSpan(start, BlockSize), 4, _codes.AsSpan(0, BlockSize));
        return sum;
    }

    /// <summary>A searched scale and zero point.</summary>
    [Benchmark]
    public float Asymmetric()
    {
        float sum = 0;
        for (int start = 0; start < Width; start += BlockSize)
            sum += BlockQuantizer.QuantizeAsymmetric(_row.AsSpan(start, BlockSize), 4, _codes.AsSpan(0, BlockSize)).Scale;
        return sum;
    }

    /// <summary>Plain rounding, for comparison.</summary>
    [Benchmark(Baseline = true)]
    public float Plain()
    {
        float sum = 0;
        for (int start = 0; start < Width; start += BlockSize)
            sum += BlockQuantizer.QuantizeNaively(_row.AsSpan(start, BlockSize), _codes.AsSpan(0, BlockSize));
        return sum;
    }

    private static float[] CreateRow()
    {
        using RandomTensors tensors = new(1);
        float[] row = new float[Width];
        tensors.Take("weight", 1, Width).Read(0, row);
        return row;
    }
}
