namespace OnnxVlm.Hub.Tests.Support;

/// <summary>Keeps what a pull has told.</summary>
internal sealed class Recorder : IProgress<PullProgress>
{
    public List<PullProgress> All { get; } = [];

    /// <summary>Called after each.</summary>
    public Action<PullProgress>? Then { get; init; }

    public IEnumerable<string> Notes => All.Select(progress => progress.Note ?? "").Where(note => note.Length > 0);

    public void Report(PullProgress value)
    {
        All.Add(value);
        Then?.Invoke(value);
    }
}
