using System.Runtime.InteropServices;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>A sequence of <see cref="RowCache"/>, and what it holds. What changes is guarded by the cache's lock, but for <see cref="ReportProgress"/>.</summary>
/// <param name="sequence">The sequence.</param>
/// <param name="scope">Only requests of this scope may go on from it.</param>
internal sealed class CachedRow(IDecoderSequence sequence, string? scope)
{
    private TaskCompletionSource _progress = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IDecoderSequence Sequence => sequence;

    public string? Scope => scope;

    /// <summary>uint64, as <see cref="PromptKeys"/> makes them: of all that the sequence has read, and then of what it is to read.</summary>
    public List<ulong> Keys { get; } = [];

    /// <summary>Tokens that the running answer may need at most; 0 while no answer uses it.</summary>
    public int ReservedTokens { get; set; }

    /// <summary>The most tokens that the prompt of the running answer shares with a row that cannot go back so far; 0 for none.</summary>
    public int ForgottenTokens { get; set; }

    /// <summary>Whether an answer uses it.</summary>
    public bool IsRunning => ReservedTokens > 0;

    /// <summary>Whether it has not read all of its prompt yet.</summary>
    public bool IsReading { get; set; }

    /// <summary>Ends when more of the prompt is read, or the reading ends.</summary>
    public Task Progress => Volatile.Read(ref _progress).Task;

    /// <summary>Keys of the first tokens.</summary>
    /// <param name="count">How many at most.</param>
    public ReadOnlySpan<ulong> FirstKeys(int count) => CollectionsMarshal.AsSpan(Keys)[..Math.Min(count, Keys.Count)];

    /// <summary>Tells those who wait for <see cref="Progress"/>.</summary>
    public void ReportProgress() => Interlocked.Exchange(ref _progress, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
}
