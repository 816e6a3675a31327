using System.Diagnostics;

namespace OnnxVlm.Hub.Pulling;

/// <summary>Turns what the parts of a pull tell into one progress, with a rate. Safe for concurrent use: reports come one after the other, and never run backwards within a stage.</summary>
/// <param name="progress">Who is told; null for nobody.</param>
internal sealed class PullReporter(IProgress<PullProgress>? progress)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    private readonly object _lock = new();
    private readonly Queue<(long Time, long Bytes)> _samples = [];
    private PullProgress _last = new(PullStage.Asking, 0, 0);

    /// <summary>Says how far a stage is.</summary>
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

    /// <summary>Says something that a person should see.</summary>
    /// <param name="note">One line.</param>
    /// <param name="isWaiting">Whether nothing else happens now.</param>
    public void Note(string note, bool isWaiting = false)
    {
        lock (_lock)
            progress?.Report(_last with { Stage = isWaiting ? PullStage.Waiting : _last.Stage, BytesPerSecond = isWaiting ? null : _last.BytesPerSecond, Note = note });
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
