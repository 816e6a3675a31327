using System.Diagnostics.Metrics;

namespace OnnxVlm.Runtime;

/// <summary>Instruments of the rows of all models, in the meter <c>OnnxVlm</c>.</summary>
internal static class RowMetrics
{
    private static readonly Histogram<double> Stalls = NativeOwner.Meter.CreateHistogram<double>(
        "onnxvlm.prompt.piece.duration", "s", "Time to read one piece of a prompt, for which running answers wait.");

    private static readonly Histogram<int> Batches = NativeOwner.Meter.CreateHistogram<int>("onnxvlm.batch.rows", "{row}", "Answers that get their next token in the same run.");

    private static readonly UpDownCounter<long> CacheSize = NativeOwner.Meter.CreateUpDownCounter<long>("onnxvlm.cache.size", "By", "Key-value cache that rows hold or have reserved.");

    private static readonly UpDownCounter<int> WaitingRequests = NativeOwner.Meter.CreateUpDownCounter<int>("onnxvlm.cache.waiting", "{request}", "Answers that wait for room in the key-value cache.");

    /// <summary>Notes the piece of a prompt.</summary>
    /// <param name="time">How long it took.</param>
    public static void PieceRead(TimeSpan time) => Stalls.Record(time.TotalSeconds);

    /// <summary>Notes a run of the batch.</summary>
    /// <param name="rows">Its rows.</param>
    public static void Ran(int rows) => Batches.Record(rows);

    /// <summary>Notes what has changed in a cache.</summary>
    /// <param name="bytes">How much more rows hold or reserve; negative for less.</param>
    /// <param name="waiting">How many more requests wait; negative for fewer.</param>
    public static void CacheChanged(long bytes, int waiting)
    {
        CacheSize.Add(bytes);
        WaitingRequests.Add(waiting);
    }
}
