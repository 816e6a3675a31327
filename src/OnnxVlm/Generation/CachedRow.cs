using System.Runtime.InteropServices;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>A sequence of <see cref="RowCache"/>, and its contents. The cache's lock guards what changes, except <see cref="ReportProgress"/>.</summary>
/// <param name="sequence">The sequence.</param>
/// <param name="scope">Only requests of this scope may continue it.</param>
internal sealed class CachedRow(IDecoderSequence sequence, string? scope)
{
    private TaskCompletionSource _progress = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IDecoderSequence Sequence => sequence;

    public string? Scope => scope;

    /// <summary>
    /// uint64, as <see cref="PromptKeys"/> creates them: first of everything that the sequence has read, then of what it is going to read.
    /// </summary>
    public List<ulong> Keys { get; } = [];

    /// <summary>The most tokens that the running answer may need; 0 while no answer uses it.</summary>
    public int ReservedTokens { get; set; }

    /// <summary>The most tokens that the prompt of the running answer shares with a row that cannot be rewound so far; 0 for none.</summary>
    public int ForgottenTokens { get; set; }

    /// <summary>Whether an answer uses it.</summary>
    public bool IsRunning => ReservedTokens > 0;

    /// <summary>Whether part of its prompt is still unread.</summary>
    public bool IsReading { get; set; }

    /// <summary>Completes when more of the prompt has been read, or the reading ends.</summary>
    public Task Progress => Volatile.Read(ref _progress).Task;

    /// <summary>Keys of the first tokens.</summary>
    /// <param name="count">The maximum.</param>
    public ReadOnlySpan<ulong> FirstKeys(int count) => CollectionsMarshal.AsSpan(Keys)[..Math.Min(count, Keys.Count)];

    /// <summary>Notifies those who wait for <see cref="Progress"/>.</summary>
    public void ReportProgress() =>
        Interlocked.Exchange(ref _progress, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
}
