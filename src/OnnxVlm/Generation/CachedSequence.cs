using System.Runtime.InteropServices;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>A sequence that knows which tokens it holds. Used by one thread at a time.</summary>
internal sealed class CachedSequence : IDisposable
{
    private readonly IDecoder _decoder;
    private readonly IDecoderSequence _sequence;
    private readonly List<ulong> _keys = [];

    public CachedSequence(IDecoder decoder, SequenceOptions options)
    {
        _decoder = decoder;
        Options = options;
        _sequence = decoder.CreateSequence(options);
    }

    public SequenceOptions Options { get; }

    public int Length => _keys.Count;

    /// <summary>uint64 [tokens], as <see cref="PromptKeys"/> makes them.</summary>
    public ReadOnlySpan<ulong> Keys => CollectionsMarshal.AsSpan(_keys);

    /// <summary>Memory of its key-value cache.</summary>
    public long SizeBytes => (long)Options.MaxLength * _decoder.CacheBytesPerToken;

    /// <summary>Reads text and images, in pieces where the device allows it.</summary>
    /// <param name="segments">In order.</param>
    /// <param name="cancellationToken">Checked between pieces.</param>
    public void Append(IReadOnlyList<PromptSegment> segments, CancellationToken cancellationToken)
    {
        foreach (PrefillChunk chunk in PrefillPlan.Create(_decoder, segments))
        {
            cancellationToken.ThrowIfCancellationRequested();
            _sequence.Append(chunk.TokenIds.Span, chunk.Images);
        }
        _keys.AddRange(segments.SelectMany(PromptKeys.KeysOf));
    }

    public void CopyLogits(Span<float> logits) => _sequence.CopyLogits(logits);

    public int Advance() => Note(_sequence.Advance());

    public int Advance(ReadOnlySpan<float> scores) => Note(_sequence.Advance(scores));

    public void RewindTo(int length)
    {
        _sequence.RewindTo(length);
        _keys.RemoveRange(length, _keys.Count - length);
    }

    /// <summary>Forgets the last token if the model has not read it yet, so that the cache holds all that <see cref="Keys"/> says.</summary>
    public void ForgetUnread()
    {
        if (_sequence.ReadLength < Length)
            RewindTo(_sequence.ReadLength);
    }

    public void Interrupt() => _sequence.Interrupt();

    public void Dispose() => _sequence.Dispose();

    // An end token is returned without becoming part of the sequence.
    private int Note(int token)
    {
        if (_sequence.Length > _keys.Count)
            _keys.Add(PromptKeys.KeyOf(token));
        return token;
    }
}
