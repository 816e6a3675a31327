using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>
/// Keeps the sequences of past answers, so that a prompt that begins like one of them is not read again from the start. Bounded by the memory of the
/// key-value caches; the least recently used goes first. Safe to use from several threads: a sequence is either in here or with one answer.
/// </summary>
/// <param name="decoder">Makes the sequences.</param>
/// <param name="budgetBytes">Memory for idle sequences; 0 keeps none.</param>
internal sealed class SequenceCache(IDecoder decoder, long budgetBytes) : IDisposable
{
    private readonly Lock _lock = new();

    // Least recently used first.
    private readonly List<CachedSequence> _idle = [];
    private long _idleBytes;
    private bool _disposed;

    /// <summary>Number of idle sequences.</summary>
    public int IdleCount
    {
        get
        {
            lock (_lock)
                return _idle.Count;
        }
    }

    /// <summary>Takes the idle sequence that saves the most of a prompt, rewound to what they share, or starts a new one.</summary>
    /// <param name="prompt">What will be read.</param>
    /// <param name="maxLength">Tokens that the sequence must have room for.</param>
    /// <param name="patchCapacity">Patches that one append will bring.</param>
    /// <param name="guidance">The answer's grammar: it lives in the native sequence, so only a sequence with the same one serves.</param>
    public CachedSequence Take(PromptKeys prompt, int maxLength, int patchCapacity, Guidance? guidance)
    {
        CachedSequence? best = null;
        int bestShared = 0;
        lock (_lock)
        {
            foreach (CachedSequence candidate in _idle)
            {
                if (candidate.Options.MaxLength < maxLength || candidate.Options.PatchCapacity < patchCapacity || candidate.Options.Guidance != guidance)
                    continue;
                // Rewinding is what takes a grammar back to its start, so a guided sequence goes back by a token at least.
                int shared = prompt.SharedWith(guidance is null ? candidate.Keys : candidate.Keys[..^1]);
                // A short shared beginning, such as the same system message, is not worth losing another conversation's cache. A next turn may differ from where the last answer began:
                // some templates write an answer of the past in another way than they ask for one.
                if (shared > bestShared && 2 * shared >= Math.Min(candidate.Keys.Length, prompt.Keys.Length))
                    (best, bestShared) = (candidate, shared);
            }
            if (best is not null)
                Remove(best);
        }
        if (best is null)
            return Create(maxLength, patchCapacity, guidance);
        best.RewindTo(bestShared);
        return best;
    }

    /// <summary>Gives a sequence back; it may be disposed at once.</summary>
    /// <param name="sequence">A sequence whose last run went well.</param>
    public void Return(CachedSequence sequence)
    {
        List<CachedSequence> dropped = [];
        lock (_lock)
        {
            if (_disposed || sequence.SizeBytes > budgetBytes)
                dropped.Add(sequence);
            else
            {
                _idle.Add(sequence);
                _idleBytes += sequence.SizeBytes;
                while (_idleBytes > budgetBytes)
                {
                    dropped.Add(_idle[0]);
                    Remove(_idle[0]);
                }
            }
        }
        foreach (CachedSequence old in dropped)
            old.Dispose();
    }

    public void Dispose()
    {
        List<CachedSequence> all;
        lock (_lock)
        {
            _disposed = true;
            all = [.. _idle];
            _idle.Clear();
            _idleBytes = 0;
        }
        foreach (CachedSequence sequence in all)
            sequence.Dispose();
    }

    // Room for the next turn, and half as much again for later ones, so that a long conversation outgrows its sequence only a few times.
    private CachedSequence Create(int maxLength, int patchCapacity, Guidance? guidance)
    {
        int length = budgetBytes == 0 ? maxLength : (int)Math.Min(decoder.ContextLength, maxLength + Math.Max(256L, maxLength / 2));
        return new CachedSequence(decoder, new SequenceOptions(length, patchCapacity, guidance));
    }

    private void Remove(CachedSequence sequence)
    {
        _idle.Remove(sequence);
        _idleBytes -= sequence.SizeBytes;
    }
}
