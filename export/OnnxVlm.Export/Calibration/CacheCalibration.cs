using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Calibration;

/// <summary>
/// Finds the scales of a cache of 8-bit codes: the graph with a cache of floats reads prompts, the largest absolute number of each channel, and a third more for what other prompts bring, is the
/// range of its codes. A code that is cut off costs far more than one that is a little coarse. A second graph, with both caches side by side, tells what the codes change in the answer of each attention.
/// </summary>
/// <param name="folder">The model folder with a cache of floats, whole.</param>
/// <param name="calibration">What the model reads: as <see cref="ExportOptions.Calibration"/>.</param>
/// <param name="prepare">Builds the graph for a target that is made of the export's.</param>
internal sealed class CacheCalibration(string folder, string? calibration, Func<Func<ExportTarget, ExportTarget>, PreparedExport> prepare)
{
    private const string Step = "reading texts and images to find the range of keys and values", ErrorFile = ".cache-error.onnx";

    private const float Margin = 1.3f, LargestCode = 127, SmallestScale = 1e-6f;

    private readonly Dictionary<string, float[]> _largest = new(StringComparer.Ordinal);
    private readonly Dictionary<string, double> _squares = new(StringComparer.Ordinal);

    /// <summary>Runs the graphs.</summary>
    /// <param name="progress">Told about each prompt.</param>
    /// <param name="cancellationToken">Checked between prompts.</param>
    /// <returns>The scales, and what was measured of each layer.</returns>
    /// <exception cref="ModelLoadException">There is nothing to read, or the graph does not run.</exception>
    public (CacheScales Scales, IReadOnlyList<CacheReport> Reports) Run(IProgress<ExportProgress>? progress, CancellationToken cancellationToken)
    {
        IReadOnlyList<Prompt> prompts = CalibrationPrompts.Create(folder, calibration);
        long done = 0, total = 2 * prompts.Sum(prompt => (long)prompt.TokenCount);
        Read(Path.Combine(folder, GraphBuilder.ModelFile), NoteLargest);
        CacheScales scales = new(_largest.ToDictionary(channel => channel.Key, channel => Array.ConvertAll(channel.Value, ScaleOf), StringComparer.Ordinal));

        string path = Path.Combine(folder, ErrorFile);
        using (PreparedExport measured = prepare(target => target with { CacheScales = scales, MeasuresCacheError = true }))
            measured.Graph.Save(path, Exporter.Version);
        Read(path, NoteSquares);
        File.Delete(path);
        return (scales, [.. Layers().Select(Report)]);

        void Read(string graph, GraphOutputReceiver receive)
        {
            using GraphProbe probe = new(graph);
            foreach (Prompt prompt in prompts)
            {
                cancellationToken.ThrowIfCancellationRequested();
                progress?.Report(new ExportProgress(Step, done, total));
                probe.Run(prompt, receive);
                done += prompt.TokenCount;
            }
        }
    }

    // Channels that are always 0 are those that fill a head up.
    private static float ScaleOf(float largest) => Math.Max(largest * Margin / LargestCode, SmallestScale);

    private static string OutputOf(int layer, string kind) => $"present.{layer}.{kind}";

    // [1, heads, tokens, head size] → heads · head size.
    private void NoteLargest(string name, long[] shape, ReadOnlySpan<float> numbers)
    {
        int heads = (int)shape[1], tokens = (int)shape[2], size = (int)shape[3];
        if (!_largest.TryGetValue(name, out float[]? largest))
            _largest.Add(name, largest = new float[heads * size]);
        for (int row = 0; row < heads * tokens; row++)
        {
            Span<float> channels = largest.AsSpan(row / tokens * size, size);
            ReadOnlySpan<float> found = numbers.Slice(row * size, size);
            for (int i = 0; i < size; i++)
            {
                // A number that is none must not hide: no scale could hold it.
                if (!float.IsFinite(found[i]))
                    throw new ModelLoadException($"{folder}: {name} is not finite for a text or an image of the calibration; a cache in 8 bits cannot hold it; export without it (--kv)");
                channels[i] = Math.Max(channels[i], Math.Abs(found[i]));
            }
        }
    }

    private void NoteSquares(string name, long[] shape, ReadOnlySpan<float> numbers)
    {
        if (shape.Length == 0)
            _squares[name] = _squares.GetValueOrDefault(name) + numbers[0];
    }

    private IEnumerable<int> Layers() => Enumerable.Range(0, int.MaxValue).Where(layer => _largest.ContainsKey(OutputOf(layer, "key"))).Take(_largest.Count / 2);

    private CacheReport Report(int layer) => new(
        layer, _largest[OutputOf(layer, "key")].Max(), _largest[OutputOf(layer, "value")].Max(),
        Math.Sqrt(_squares[Attention.CacheErrorOutput(layer, "error")] / Math.Max(_squares[Attention.CacheErrorOutput(layer, "answer")], double.Epsilon)));
}
