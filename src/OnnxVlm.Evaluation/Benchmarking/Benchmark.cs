using System.Diagnostics;
using System.Runtime.InteropServices;
using OnnxVlm.Export.Inspection;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Evaluation.Benchmarking;

/// <summary>Measures a model folder on this machine.</summary>
/// <param name="folder">The model folder.</param>
/// <param name="load">Loads it.</param>
/// <param name="repetitions">The number of repetitions of every measurement.</param>
/// <param name="progress">Receives the name of the next measurement.</param>
internal sealed class Benchmark(string folder, Func<VlmModel> load, int repetitions, Action<string> progress)
{
    private const long ProbeBytes = 1L << 30;
    private const int QuestionTokens = 16;

    /// <summary>Runs all measurements.</summary>
    /// <param name="promptTokens">Tokens of text that are read at once.</param>
    /// <param name="generatedTokens">Tokens that are generated one by one.</param>
    /// <param name="image">An image file; null to leave images out.</param>
    /// <param name="cancellationToken">Checked between runs.</param>
    public BenchmarkResult Run(int promptTokens, int generatedTokens, byte[]? image, CancellationToken cancellationToken)
    {
        ModelManifest manifest = ModelManifest.Load(folder);
        ModelSummary summary = ModelInspector.Inspect(folder);
        progress("first load");
        (VlmModel model, double firstLoad) = Time(load);
        List<double> warm = [];
        for (int i = 0; i < repetitions; i++)
        {
            progress("load");
            model.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            (model, double time) = Time(load);
            warm.Add(time);
        }

        using (model)
        {
            int[] tokens = BenchmarkTokens.Create(manifest, new Random(1), promptTokens + generatedTokens + 1);
            progress($"prefill of {promptTokens} tokens");
            double[] prefill = Repeat(() => Prefill(model, tokens.AsMemory(0, promptTokens)), cancellationToken);
            progress($"decoding of {generatedTokens} tokens");
            double[] decode = Repeat(() => Decode(model, tokens[0], generatedTokens), cancellationToken);
            ImageResult? ofImage = image is null ? null : MeasureImage(model, image, tokens, cancellationToken);
            long peak = PeakWorkingSet();
            long blockSums = model.Device == Device.Cpu && RuntimeInformation.ProcessArchitecture == Architecture.X64 ? summary.BlockSumBytesPerToken : 0;
            long bytesPerToken = summary.WeightBytesPerToken + blockSums + (summary.CacheBytesPerToken * generatedTokens / 2);
            progress("memory bandwidth");
            (double bandwidth, double share) = MeasureBandwidth(
                () => bytesPerToken * generatedTokens / Decode(model, tokens[0], generatedTokens), cancellationToken);
            return new BenchmarkResult
            {
                Model = Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)),
                Architecture = manifest.Architecture,
                Precision = manifest.Precision,
                Parameters = summary.Parameters,
                Device = model.Device.ToString().ToLowerInvariant(),
                Processor = ProcessorName(),
                Threads = Environment.ProcessorCount,
                FirstLoadMs = firstLoad,
                WarmLoadMs = Measurement.Of(warm),
                PromptTokens = promptTokens,
                PrefillTokensPerSecond = Measurement.Of(prefill.Select(seconds => promptTokens / seconds)),
                GeneratedTokens = generatedTokens,
                DecodeTokensPerSecond = Measurement.Of(decode.Select(seconds => generatedTokens / seconds)),
                Image = ofImage,
                PeakWorkingSetBytes = peak,
                BytesPerToken = bytesPerToken,
                MemoryBandwidthBytesPerSecond = bandwidth,
                BandwidthShare = share,
            };
        }
    }

    /// <summary>
    /// Compares decoding with the bandwidth right before and after it, since the bandwidth of a shared machine can change by half within minutes.
    /// This comes last: the array that is read must not count as the model's memory.
    /// </summary>
    /// <param name="decode">Decodes, and returns the bytes read per second.</param>
    /// <param name="cancellationToken">Checked between runs.</param>
    /// <returns>Medians over the repetitions: bytes per second, and decoding's share of them.</returns>
    private (double Bandwidth, double Share) MeasureBandwidth(Func<double> decode, CancellationToken cancellationToken)
    {
        List<double> bandwidths = [MemoryBandwidth.Measure(Environment.ProcessorCount, ProbeBytes)];
        List<double> shares = [];
        for (int i = 0; i < repetitions; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            double decoded = decode();
            bandwidths.Add(MemoryBandwidth.Measure(Environment.ProcessorCount, ProbeBytes));
            shares.Add(2 * decoded / (bandwidths[^2] + bandwidths[^1]));
        }
        return (Measurement.Of(bandwidths).Median, Measurement.Of(shares).Median);
    }

    private ImageResult MeasureImage(VlmModel model, byte[] image, int[] tokens, CancellationToken cancellationToken)
    {
        progress("an image");
        List<ImageTimings> stages = [];
        int imageTokens = 0;
        double[] first = Repeat(
            () =>
            {
                long start = Stopwatch.GetTimestamp();
                PatchGrid grid = model.ImagePreprocessor.Process(image, out ImageTimings timings);
                PromptSegment run = ImageRun.Create(model.Manifest.Image.Tokens, grid);
                using VlmSequence sequence = model.CreateSequence(run.TokenIds.Length + QuestionTokens + 1, grid.Count);
                sequence.Append(run, new PromptSegment(tokens.AsMemory(0, QuestionTokens)));
                sequence.CopyLogits(new float[model.Manifest.VocabularySize]);
                stages.Add(timings);
                imageTokens = run.TokenIds.Length;
                return Stopwatch.GetElapsedTime(start).TotalSeconds;
            },
            cancellationToken);
        stages.RemoveAt(0);
        return new ImageResult
        {
            ImageTokens = imageTokens,
            DecodeMs = Measurement.Of(stages.Select(stage => stage.Decode.TotalMilliseconds)),
            ResizeMs = Measurement.Of(stages.Select(stage => stage.Resize.TotalMilliseconds)),
            CutMs = Measurement.Of(stages.Select(stage => stage.Cut.TotalMilliseconds)),
            TimeToFirstTokenMs = Measurement.Of(first.Select(seconds => seconds * 1000)),
        };
    }

    private static double Prefill(VlmModel model, ReadOnlyMemory<int> tokens)
    {
        using VlmSequence sequence = model.CreateSequence(tokens.Length + 1);
        float[] logits = new float[model.Manifest.VocabularySize];
        long start = Stopwatch.GetTimestamp();
        sequence.Append(new PromptSegment(tokens));
        sequence.CopyLogits(logits);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Decode(VlmModel model, int firstToken, int count)
    {
        using VlmSequence sequence = model.CreateSequence(count + 1);
        float[] logits = new float[model.Manifest.VocabularySize];
        int[] token = [firstToken];
        PromptSegment segment = new(token);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            sequence.Append(segment);
            sequence.CopyLogits(logits);
            token[0] = System.Numerics.Tensors.TensorPrimitives.IndexOfMax<float>(logits);

            // The placeholder of an image cannot be read without an image.
            if (token[0] == model.Manifest.Image.Tokens.Placeholder)
                token[0] = firstToken;
        }
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    // The first run is a warm-up and does not count.
    private double[] Repeat(Func<double> run, CancellationToken cancellationToken)
    {
        double[] times = new double[repetitions + 1];
        for (int i = 0; i < times.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            times[i] = run();
        }
        return times[1..];
    }

    private static (VlmModel Model, double Milliseconds) Time(Func<VlmModel> load)
    {
        long start = Stopwatch.GetTimestamp();
        VlmModel model = load();
        return (model, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    private static long PeakWorkingSet()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    private static string ProcessorName()
    {
        const string path = "/proc/cpuinfo";
        string? line = File.Exists(path) ? File.ReadLines(path).FirstOrDefault(text => text.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?[(line.IndexOf(':') + 1)..].Trim()
            ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
