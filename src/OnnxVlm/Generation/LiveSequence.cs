using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>
/// The sequence of one running answer. Hides where it comes from (the cache or new), that some devices take tokens only once, and that more may be
/// appended than there is room for: then all of it is read again by a new sequence.
/// </summary>
internal sealed class LiveSequence : IDisposable
{
    private readonly IDecoder _decoder;
    private readonly SequenceCache _cache;
    private readonly Guidance? _guidance;
    private readonly List<PromptSegment> _content;
    private readonly int _answerTokens;
    private readonly Lock _interruptLock = new();
    private CachedSequence _sequence;
    private bool _tookToken;
    private bool _interrupted;
    private bool _failed = true;

    /// <summary>Takes a sequence for a prompt; nothing is read yet.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="cache">Where a sequence may come from, and where it goes back to.</param>
    /// <param name="prompt">What will be read.</param>
    /// <param name="answerTokens">The most tokens of the answer.</param>
    /// <param name="guidance">The answer's grammar, or null.</param>
    public LiveSequence(IDecoder decoder, SequenceCache cache, Prompt prompt, int answerTokens, Guidance? guidance)
    {
        _decoder = decoder;
        _cache = cache;
        _guidance = guidance;
        _content = [.. prompt.Segments];
        _answerTokens = answerTokens;
        _sequence = Take();
        CachedTokens = _sequence.Length;
    }

    /// <summary>Tokens of the prompt that need not be read again.</summary>
    public int CachedTokens { get; }

    /// <summary>Reads what the sequence does not have yet.</summary>
    /// <param name="cancellationToken">Checked between pieces.</param>
    public void Read(CancellationToken cancellationToken)
    {
        _failed = true;
        _sequence.Append(PromptKeys.From(_content, _sequence.Length), cancellationToken);
        _tookToken = false;
        _failed = false;
    }

    public void CopyLogits(Span<float> logits) => _sequence.CopyLogits(logits);

    /// <summary>Takes the next token.</summary>
    /// <param name="scores">Scores in place of the logits, or empty.</param>
    /// <returns>The token; an end token is not part of the sequence.</returns>
    public int Advance(ReadOnlySpan<float> scores)
    {
        _failed = true;
        int length = _sequence.Length;
        int token = scores.IsEmpty ? _sequence.Advance() : _sequence.Advance(scores);
        _tookToken = _sequence.Length > length;
        if (_tookToken)
            _content.Add(new PromptSegment(new[] { token }));
        _failed = false;
        return token;
    }

    /// <summary>Puts other content in place of the token that was taken last, or behind it.</summary>
    /// <param name="segments">Text and images.</param>
    /// <param name="replacesLast">Whether the token taken last goes.</param>
    /// <param name="cancellationToken">Checked between pieces.</param>
    public void Insert(IReadOnlyList<PromptSegment> segments, bool replacesLast, CancellationToken cancellationToken)
    {
        if (_guidance is not null)
            throw new InvalidOperationException("A callback cannot change an answer that follows a grammar; leave one of the two out.");
        _failed = true;
        // An end token is not part of the sequence, so there is nothing to take away.
        replacesLast &= _tookToken;
        if (replacesLast)
            _content.RemoveAt(_content.Count - 1);
        _content.AddRange(segments);
        int length = _content.Sum(segment => segment.TokenIds.Length);
        if (length >= _decoder.ContextLength)
            throw new PromptTooLongException($"Prompt, answer and what was inserted have {length} tokens, and the model's context has room for {_decoder.ContextLength}.");

        if (!_decoder.CanAppend || length + 1 > _sequence.Options.MaxLength || Patches(segments) > _sequence.Options.PatchCapacity)
            StartAfresh();
        else if (replacesLast)
            _sequence.RewindTo(_sequence.Length - 1);
        Read(cancellationToken);
    }

    /// <summary>Makes the running call fail soon. May be called by another thread.</summary>
    public void Interrupt()
    {
        lock (_interruptLock)
        {
            _interrupted = true;
            _sequence.Interrupt();
        }
    }

    /// <summary>Gives the sequence back to the cache, if it can serve again.</summary>
    public void Dispose()
    {
        if (_failed || _interrupted || !_decoder.CanAppend)
        {
            _sequence.Dispose();
            return;
        }
        _sequence.ForgetUnread();
        _cache.Return(_sequence);
    }

    private void StartAfresh()
    {
        CachedSequence old = _sequence;
        CachedSequence fresh = Take();
        lock (_interruptLock)
        {
            _sequence = fresh;
            if (_interrupted)
                fresh.Interrupt();
        }
        old.Dispose();
    }

    private CachedSequence Take()
    {
        int length = Math.Min(_decoder.ContextLength, _content.Sum(segment => segment.TokenIds.Length) + _answerTokens);
        int patches = Patches(_content);
        return _decoder.CanAppend
            ? _cache.Take(new PromptKeys(_content), length, patches, _guidance)
            : new CachedSequence(_decoder, new SequenceOptions(length, patches, _guidance));
    }

    // The most patches of one piece, and where there is an image at all room for another one of the largest size.
    private int Patches(IReadOnlyList<PromptSegment> segments)
    {
        int most = PrefillPlan.Create(_decoder, segments).Max(chunk => chunk.PatchCount);
        return most == 0 ? 0 : Math.Max(most, _decoder.MaxPatchesPerImage);
    }
}
