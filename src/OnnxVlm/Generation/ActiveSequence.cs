using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>
/// The sequence of one running answer. It hides three things: whether its row is new or from the cache, that some devices take a prompt only once,
/// and that more may be read than the row has room for. In the last case another row reads everything again. Used by one thread at a time.
/// </summary>
internal sealed class ActiveSequence : IDisposable
{
    private readonly IDecoder _decoder;
    private readonly RowCache _cache;
    private readonly string? _scope;
    private readonly int _answerTokens;
    private readonly List<PromptSegment> _content;
    private int _length;
    private CachedRow? _row;

    /// <summary>Prepares a sequence; nothing is reserved or read yet.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="cache">The source of the row, which also takes it back.</param>
    /// <param name="prompt">What will be read.</param>
    /// <param name="answerTokens">The most tokens of the answer.</param>
    /// <param name="scope">Only rows of the same scope are used.</param>
    public ActiveSequence(IDecoder decoder, RowCache cache, Prompt prompt, int answerTokens, string? scope)
    {
        _decoder = decoder;
        _cache = cache;
        _scope = scope;
        _answerTokens = answerTokens;
        _content = [.. prompt.Segments];
        _length = prompt.TokenCount;
    }

    /// <summary>Tokens of the prompt that need not be read again.</summary>
    public int CachedTokens { get; private set; }

    /// <summary>Tokens of the prompt that a row had read and that are read again, because no row can be rewound to their end.</summary>
    public int RereadTokens { get; private set; }

    /// <summary>The number of tokens read so far; it grows while a prompt is being read.</summary>
    public int Length => _row?.Sequence.Length ?? 0;

    /// <summary>Completes when more of the prompt has been read.</summary>
    public Task Progress => _row?.Progress ?? Task.CompletedTask;

    /// <summary>The logits of the next token, float [vocabulary]; the caller may change them.</summary>
    public Span<float> Logits => _row!.Sequence.Logits;

    /// <summary>Waits for a row.</summary>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="PromptTooLongException">The answer can never have one.</exception>
    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        int tokens = Math.Min(_decoder.ContextLength, _length + _answerTokens);
        _row = await _cache.TakeAsync(
            new RowRequest(new PromptKeys(_content), tokens, PatchCapacity(_content), _scope), cancellationToken).ConfigureAwait(false);
        CachedTokens = _row.Sequence.Length;
        RereadTokens = Math.Max(0, _row.ForgottenTokens - CachedTokens);
        RowMetrics.Reread(RereadTokens);
    }

    /// <summary>Reads what the row does not have yet.</summary>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async Task ReadPromptAsync(CancellationToken cancellationToken)
    {
        CachedRow row = _row!;
        try
        {
            await row.Sequence.ReadAsync(
                PrefillPlan.Create(_decoder, _content, row.Sequence.Length), row.ReportProgress, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _cache.EndPrompt(row);
        }
    }

    /// <summary>Reads more.</summary>
    /// <param name="segments">Tokens of the answer, or text and images that are put into it.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="PromptTooLongException">The context has no room for it.</exception>
    public async Task ReadAsync(IReadOnlyList<PromptSegment> segments, CancellationToken cancellationToken)
    {
        CachedRow row = _row!;
        int count = segments.Sum(segment => segment.TokenIds.Length);
        _content.AddRange(segments);
        _length += count;
        if (_length >= _decoder.ContextLength && count > 1)
            throw new PromptTooLongException(
                $"Prompt, answer and what was inserted have {_length} tokens, and the model's context has room for {_decoder.ContextLength}.");
        if ((_decoder.CanAppend || count == 1) && _length <= row.Sequence.MaxLength && PatchCapacity(segments) <= row.Sequence.PatchCapacity)
        {
            _cache.Extend(row, segments, Math.Min(_decoder.ContextLength, _length));
            int length = row.Sequence.Length;
            try
            {
                await row.Sequence.ReadAsync(PrefillPlan.Create(_decoder, segments), null, cancellationToken).ConfigureAwait(false);
            }
            catch (VlmException) when (row.Sequence.Length < length)
            {
                // Another row of the batch may have caused the failure. A recurrent layer loses its state with it.
                await row.Sequence.ReadAsync(PrefillPlan.Create(_decoder, _content, row.Sequence.Length), null, cancellationToken).ConfigureAwait(false);
            }
            return;
        }
        _row = null;
        _cache.Return(row);
        await OpenAsync(cancellationToken).ConfigureAwait(false);
        await ReadPromptAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reports that nothing more will be read.</summary>
    public void Pause() => _row?.Sequence.Pause();

    /// <summary>Returns the row to the cache.</summary>
    public void Dispose()
    {
        if (_row is { } row)
            _cache.Return(row);
        _row = null;
    }

    // The most patches of one piece; if there is any image, also room for one more image of the largest size.
    private int PatchCapacity(IReadOnlyList<PromptSegment> segments)
    {
        if (segments.All(segment => segment.Image is null))
            return 0;
        return Math.Max(PrefillPlan.Create(_decoder, segments).Max(chunk => chunk.PatchCount), _decoder.MaxPatchesPerImage);
    }
}
