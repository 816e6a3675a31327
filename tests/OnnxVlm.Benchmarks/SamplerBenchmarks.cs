using BenchmarkDotNet.Attributes;
using OnnxVlm.Generation;

namespace OnnxVlm.Benchmarks;

/// <summary>Scoring the logits of one token, vocabulary 152 thousand.</summary>
[MemoryDiagnoser]
public class SamplerBenchmarks
{
    private const int Vocabulary = 151936;

    private readonly float[] _logits = new float[Vocabulary];
    private readonly float[] _work = new float[Vocabulary];
    private readonly Sampler _temperature = new(new GenerationOptions { Temperature = 0.7, Seed = 1 }, [1], []);
    private readonly Sampler _all = new(new GenerationOptions { Temperature = 0.7, TopK = 50, TopP = 0.9, PresencePenalty = 0.5, Seed = 1 }, [1], []);

    /// <summary>Fills the logits.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        Random random = new(1);
        for (int i = 0; i < _logits.Length; i++)
            _logits[i] = (float)(10 * (random.NextDouble() - 0.5));
    }

    /// <summary>Temperature only.</summary>
    [Benchmark]
    public void Temperature()
    {
        _logits.CopyTo(_work, 0);
        _temperature.Score(_work);
    }

    /// <summary>Temperature, top-k, top-p and a penalty.</summary>
    [Benchmark]
    public void TopKTopPPenalty()
    {
        _logits.CopyTo(_work, 0);
        _all.Score(_work);
    }
}
