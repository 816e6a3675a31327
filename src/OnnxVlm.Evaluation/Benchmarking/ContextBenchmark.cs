using System.Diagnostics;
using System.Numerics.Tensors;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Evaluation.Benchmarking;

/// <summary>Measures a model at the end of a long context, without the hours that a prompt of that length takes: the cache is filled with random numbers, and only the last tokens are read and generated.</summary>
/// <param name="model">The model, on the CPU.</param>
/// <param name="progress">Told what is measured next.</param>
internal sealed class ContextBenchmark(VlmModel model, Action<string> progress)
{
    /// <summary>Fills, reads and generates.</summary>
    /// <param name="contextTokens">Tokens of the sequence at the end.</param>
    /// <param name="promptTokens">Of these, the tokens of text that are read.</param>
    /// <param name="generatedTokens">Of these, the tokens that are generated.</param>
    /// <param name="isReal">Whether the prompt is read from its first token, and nothing is filled.</param>
    /// <param name="cancellationToken">Checked between runs.</param>
    /// <exception cref="NotSupportedException">The model runs elsewhere, and is to be filled.</exception>
    public ContextResult Run(int contextTokens, int promptTokens, int generatedTokens, bool isReal, CancellationToken cancellationToken)
    {
        int filled = isReal ? 0 : contextTokens - promptTokens - generatedTokens, read = contextTokens - generatedTokens - filled;
        int[] tokens = BenchmarkTokens.Create(model.Manifest, new Random(1), read);
        using VlmSequence sequence = model.CreateSequence(contextTokens);
        if (filled > 0)
        {
            progress($"filling {filled} tokens");
            sequence.Fill(filled);
        }

        progress($"prefill of {read} tokens");
        long start = Stopwatch.GetTimestamp();
        // In steps, to be broken off between them.
        foreach (int[] piece in tokens.Chunk(512))
        {
            cancellationToken.ThrowIfCancellationRequested();
            sequence.Append(new PromptSegment(piece));
        }
        double prefill = Stopwatch.GetElapsedTime(start).TotalSeconds;

        progress($"decoding of {generatedTokens} tokens");
        float[] logits = new float[model.Manifest.VocabularySize];
        double[] times = new double[generatedTokens];
        for (int i = 0; i < generatedTokens; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            sequence.CopyLogits(logits);
            int token = TensorPrimitives.IndexOfMax<float>(logits);
            start = Stopwatch.GetTimestamp();
            // The placeholder of an image may not be read without one.
            sequence.Append(new PromptSegment(new[] { token == model.Manifest.Image.Tokens.Placeholder ? tokens[0] : token }));
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        using var process = Process.GetCurrentProcess();
        return new ContextResult(contextTokens, filled, read, read / prefill, generatedTokens, Measurement.Of(times), process.PeakWorkingSet64);
    }
}

/// <summary>What <c>onnxvlm bench --context</c> measured.</summary>
/// <param name="ContextTokens">Tokens of the sequence at the end.</param>
/// <param name="FilledTokens">Of these, tokens whose keys and values are random numbers.</param>
/// <param name="PromptTokens">Of these, tokens that were read.</param>
/// <param name="PrefillTokensPerSecond">How fast they were read.</param>
/// <param name="GeneratedTokens">Of these, tokens that were generated.</param>
/// <param name="TokenMs">Milliseconds of one of them.</param>
/// <param name="PeakWorkingSetBytes">The most memory that the process had.</param>
internal sealed record ContextResult(
    int ContextTokens, int FilledTokens, int PromptTokens, double PrefillTokensPerSecond, int GeneratedTokens, Measurement TokenMs, long PeakWorkingSetBytes);
