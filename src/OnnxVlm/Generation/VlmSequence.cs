using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>
/// A conversation in the key-value cache, step by step: read tokens and images, look at the logits of the next token, go back.
/// For callers who choose every token themselves; <see cref="VlmModel.GenerateAsync"/> does all of this.
/// Used by one thread at a time; dispose it before the model.
/// </summary>
public sealed class VlmSequence : IDisposable
{
    private readonly IDecoder _decoder;
    private readonly IDecoderSequence _sequence;
    private readonly IDisposable _use;
    private readonly int _maxLength;

    // For models that cannot go back to any place: what they read again then.
    private readonly List<PromptSegment> _content = [];

    internal VlmSequence(IDecoder decoder, int maxLength, int maxPatches, IDisposable use)
    {
        _decoder = decoder;
        _use = use;
        try
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(maxLength, decoder.ContextLength);
            ArgumentOutOfRangeException.ThrowIfNegative(maxPatches);
            _sequence = decoder.CreateSequence(new SequenceOptions(maxLength, maxPatches));
            _maxLength = maxLength;
        }
        catch
        {
            use.Dispose();
            throw;
        }
    }

    /// <summary>Number of tokens read so far.</summary>
    public int Length => _sequence.Length;

    /// <summary>Reads text and images.</summary>
    /// <param name="segments">In the order the model reads them.</param>
    /// <exception cref="ArgumentException">A segment with an image has more or fewer placeholders than the image has patches.</exception>
    /// <exception cref="VlmException">There is no room for the tokens; or the runtime failed, and the sequence is empty.</exception>
    public void Append(params IReadOnlyList<PromptSegment> segments)
    {
        ArgumentNullException.ThrowIfNull(segments);
        IReadOnlyList<PrefillChunk> chunks = PrefillPlan.Create(_decoder, segments);
        int count = chunks.Sum(chunk => chunk.TokenIds.Length);
        if (count > _maxLength - Length)
            throw new VlmException($"The sequence has {Length} tokens and was made for {_maxLength}, so it has no room for {count} more.");
        if (count == 0)
            return;
        _sequence.ReadAsync(chunks, null, CancellationToken.None).GetAwaiter().GetResult();
        if (!_decoder.RestoresAnywhere)
            _content.AddRange(segments);
    }

    /// <summary>Has an empty sequence go on as if it had read so many tokens, for benchmarks: its cache holds random numbers.</summary>
    /// <param name="length">Tokens.</param>
    /// <exception cref="NotSupportedException">The model is not run by ONNX Runtime itself on the CPU.</exception>
    internal void Fill(int length)
    {
        if (_sequence is not DecoderRow row || _decoder.Device != Device.Cpu)
            throw new NotSupportedException("A cache can be filled on the CPU with the runner ort only.");
        row.Fill(length);
    }

    /// <summary>The logits of the next token.</summary>
    /// <returns>float [vocabulary], a new array.</returns>
    /// <exception cref="InvalidOperationException">Nothing was appended since the start or the last rewind.</exception>
    public float[] NextLogits()
    {
        float[] logits = new float[_decoder.VocabularySize];
        CopyLogits(logits);
        return logits;
    }

    /// <summary>Copies the logits of the next token.</summary>
    /// <param name="logits">Receives float [vocabulary].</param>
    /// <exception cref="ArgumentException">The length is not the vocabulary's.</exception>
    /// <exception cref="InvalidOperationException">Nothing was appended since the start or the last rewind.</exception>
    public void CopyLogits(Span<float> logits)
    {
        if (logits.Length != _decoder.VocabularySize)
            throw new ArgumentException($"Expected room for {_decoder.VocabularySize} logits, found {logits.Length}.", nameof(logits));
        _sequence.Logits.CopyTo(logits);
    }

    /// <summary>Forgets the tokens from a position on.</summary>
    /// <param name="length">Number of tokens to keep, 0 to <see cref="Length"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative or beyond the end.</exception>
    /// <exception cref="ArgumentException">The position is inside an image, which is kept or forgotten whole.</exception>
    public void RewindTo(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        if (!_decoder.RestoresAnywhere)
            CutContent(length);
        _sequence.RewindTo(length);
        if (Length == length)
            return;
        RowMetrics.Reread(length - Length);
        _sequence.ReadAsync(PrefillPlan.Create(_decoder, _content, Length), null, CancellationToken.None).GetAwaiter().GetResult();
    }

    private void CutContent(int length)
    {
        int start = 0;
        for (int i = 0; i < _content.Count; i++)
        {
            int end = start + _content[i].TokenIds.Length;
            if (end > length && _content[i].Image is not null && start < length)
                throw new ArgumentException($"Token {length} is inside an image; rewind to {start} or {end}.", nameof(length));
            if (end > length)
                _content[i] = new PromptSegment(_content[i].TokenIds[..Math.Max(0, length - start)], start < length ? _content[i].Image : null);
            start = end;
        }
        _content.RemoveAll(segment => segment.TokenIds.IsEmpty);
    }

    /// <summary>Frees the cache.</summary>
    public void Dispose()
    {
        _sequence.Dispose();
        _use.Dispose();
    }
}
