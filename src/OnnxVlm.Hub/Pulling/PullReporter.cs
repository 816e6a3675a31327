using System.Diagnostics;

namespace OnnxVlm.Hub.Pulling;

/// <summary>
/// Combines the reports of the parts of a pull into one progress, with a rate. Safe for concurrent use: reports are passed on one at a time, and
/// never decrease within a stage.
/// </summary>
/// <param name="progress">The receiver; null for none.</param>
internal sealed class PullReporter(IProgress<PullProgress>? progress)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    private readonly object _lock = new();
    private readonly Queue<(long Time, long Bytes)> _samples = [];
    private PullProgress _last = new(PullStage.Asking, 0, 0);

    /// <summary>Reports the progress of a stage.</summary>
    public void Report(PullStage stage, long bytesDone, long bytesTotal)
    {
        lock (_lock)
        {
            if (stage != _last.Stage || bytesTotal != _last.BytesTotal)
            {
                _samples.Clear();
                _last = new PullProgress(stage, 0, bytesTotal);
            }

            bytesDone = Math.Max(bytesDone, _last.BytesDone);
            _last = new PullProgress(stage, bytesDone, bytesTotal) { BytesPerSecond = Rate(bytesDone) };
            progress?.Report(_last);
        }
    }

    /// <summary>Shows a line to the user.</summary>
    /// <param name="note">One line.</param>
    /// <param name="isWaiting">Whether nothing else happens in the meantime.</param>
    public void Note(string note, bool isWaiting = false)
    {
        lock (_lock)
            progress?.Report(
                _last with { Stage = isWaiting ? PullStage.Waiting : _last.Stage, BytesPerSecond = isWaiting ? null : _last.BytesPerSecond, Note = note });
    }

    private double? Rate(long bytesDone)
    {
        long now = Stopwatch.GetTimestamp();
        _samples.Enqueue((now, bytesDone));
        while (_samples.Count > 2 && Stopwatch.GetElapsedTime(_samples.Peek().Time, now) > Window)
            _samples.Dequeue();
        (long time, long bytes) = _samples.Peek();
        double seconds = Stopwatch.GetElapsedTime(time, now).TotalSeconds;
        return seconds > 0.5 ? (bytesDone - bytes) / seconds : null;
    }
}
