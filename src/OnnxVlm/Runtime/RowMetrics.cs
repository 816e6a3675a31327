using System.Diagnostics.Metrics;

namespace OnnxVlm.Runtime;

/// <summary>Instruments of the rows of all models, in the meter <c>OnnxVlm</c>.</summary>
internal static class RowMetrics
{
    private static readonly Histogram<double> Stalls = NativeOwner.Meter.CreateHistogram<double>(
        "onnxvlm.prompt.piece.duration", "s",
        "Time to read one piece of a prompt, for which running answers wait; onnxvlm.image tells whether there was an image in it.");

    private static readonly Counter<long> RereadTokens = NativeOwner.Meter.CreateCounter<long>(
        "onnxvlm.cache.reread", "{token}", "Tokens that were read again because the model's layers could not go back to a place that a row had read.");

    private static readonly Histogram<int> Batches = NativeOwner.Meter.CreateHistogram<int>(
        "onnxvlm.batch.rows", "{row}", "Answers that get their next token in the same run.");

    private static long _cacheBytes;
    private static int _waitingRequests;

    // Observed, so that no listener is called under a lock.
    static RowMetrics()
    {
        NativeOwner.Meter.CreateObservableUpDownCounter(
            "onnxvlm.cache.size", () => Volatile.Read(ref _cacheBytes), "By", "Key-value cache that rows hold or have reserved.");
        NativeOwner.Meter.CreateObservableUpDownCounter(
            "onnxvlm.cache.waiting", () => Volatile.Read(ref _waitingRequests), "{request}", "Answers that wait for room in the key-value cache.");
    }

    /// <summary>Records tokens that are read again.</summary>
    /// <param name="tokens">Tokens.</param>
    public static void Reread(int tokens)
    {
        if (tokens > 0)
            RereadTokens.Add(tokens);
    }

    /// <summary>Records a piece of a prompt.</summary>
    /// <param name="time">How long it took.</param>
    /// <param name="hasImage">Whether it contained an image or a part of one.</param>
    public static void PieceRead(TimeSpan time, bool hasImage) =>
        Stalls.Record(time.TotalSeconds, new KeyValuePair<string, object?>("onnxvlm.image", hasImage));

    /// <summary>Records a run of the batch.</summary>
    /// <param name="rows">Its rows.</param>
    public static void Ran(int rows) => Batches.Record(rows);

    /// <summary>Records a change in a cache.</summary>
    /// <param name="bytes">How much more rows hold or reserve; negative for less.</param>
    /// <param name="waiting">How many more requests wait; negative for fewer.</param>
    public static void CacheChanged(long bytes, int waiting)
    {
        Interlocked.Add(ref _cacheBytes, bytes);
        Interlocked.Add(ref _waitingRequests, waiting);
    }
}
