using OnnxVlm.Imaging;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Fakes;

/// <summary>A decoder whose logits are a function of the tokens so far, so that every case of the generation loop has an exact expected result.</summary>
internal sealed class ScriptedDecoder(int vocabularySize, Func<IReadOnlyList<int>, float[]> logitsOf) : IDecoder
{
    public int VocabularySize => vocabularySize;

    public int ContextLength { get; init; } = 1000;

    public bool CanAppend { get; init; } = true;

    public long CacheBytesPerToken => 1;

    public int MaxPatchesPerImage { get; init; } = 16;

    public Device Device => Device.Cpu;

    /// <summary>Ids that <see cref="IDecoderSequence.Advance()"/> returns without adding them, as the native runtime does.</summary>
    public IReadOnlyList<int> EndTokenIds { get; init; } = [TestVocabulary.EndId];

    /// <summary>Called at the beginning of each append, for example to cancel meanwhile.</summary>
    public Action<ScriptedSequence>? OnAppend { get; set; }

    public List<ScriptedSequence> Sequences { get; } = [];

    public int LiveSequences => Sequences.Count(sequence => !sequence.IsDisposed);

    /// <summary>A decoder that answers with the given tokens, one after the other, whatever it has read; logit 10 for the next one, 0 for the others.</summary>
    /// <param name="vocabularySize">Width of the logits.</param>
    /// <param name="answer">The tokens.</param>
    public static ScriptedDecoder Answering(int vocabularySize, params int[] answer)
    {
        ScriptedDecoder decoder = null!;
        return decoder = new ScriptedDecoder(vocabularySize, tokens =>
        {
            float[] logits = new float[vocabularySize];
            int next = decoder.Sequences[^1].GeneratedCount;
            logits[next < answer.Length ? answer[next] : answer[^1]] = 10;
            return logits;
        });
    }

    public IDecoderSequence CreateSequence(SequenceOptions options)
    {
        Sequences.Add(new ScriptedSequence(this, options));
        return Sequences[^1];
    }

    public float[] LogitsOf(IReadOnlyList<int> tokens) => logitsOf(tokens);

    public void Dispose()
    {
    }
}

/// <summary>
/// A sequence of a <see cref="ScriptedDecoder"/> that notes what is done with it. Like the native one it reads the token it took last only later, and has
/// no logits after a rewind.
/// </summary>
internal sealed class ScriptedSequence(ScriptedDecoder decoder, SequenceOptions options) : IDecoderSequence
{
    private readonly List<int> _tokens = [];
    private bool _unread;
    private bool _hasLogits;
    private volatile bool _interrupted;

    public SequenceOptions Options => options;

    public IReadOnlyList<int> Tokens => _tokens;

    public List<(int[] TokenIds, int Images)> Appends { get; } = [];

    public int GeneratedCount { get; private set; }

    public bool IsDisposed { get; private set; }

    public int Length => _tokens.Count;

    public int ReadLength => _unread ? Length - 1 : Length;

    public void Append(ReadOnlySpan<int> tokenIds, IReadOnlyList<PatchGrid> images)
    {
        decoder.OnAppend?.Invoke(this);
        ThrowIfUnusable();
        if (!decoder.CanAppend && Appends.Count > 0)
            throw new VlmException("This device cannot append.");
        if (_tokens.Count + tokenIds.Length > options.MaxLength || images.Sum(image => image.Count) > options.PatchCapacity)
            throw new VlmException("The sequence is full.");
        Appends.Add((tokenIds.ToArray(), images.Count));
        _tokens.AddRange(tokenIds);
        _unread = false;
        _hasLogits = true;
    }

    public void CopyLogits(Span<float> logits)
    {
        ThrowIfNoLogits();
        _unread = false;
        decoder.LogitsOf(_tokens).CopyTo(logits);
    }

    public int Advance()
    {
        ThrowIfNoLogits();
        return Advance(decoder.LogitsOf(_tokens));
    }

    public int Advance(ReadOnlySpan<float> scores)
    {
        ThrowIfUnusable();
        ThrowIfNoLogits();
        int best = 0;
        for (int id = 1; id < scores.Length; id++)
        {
            if (scores[id] > scores[best])
                best = id;
        }
        GeneratedCount++;
        _unread = !decoder.EndTokenIds.Contains(best);
        if (_unread)
            _tokens.Add(best);
        return best;
    }

    public void RewindTo(int length)
    {
        ThrowIfUnusable();
        if (length == Length)
            return;
        _tokens.RemoveRange(length, _tokens.Count - length);
        _unread = false;
        _hasLogits = false;
    }

    public void Interrupt() => _interrupted = true;

    public void Dispose() => IsDisposed = true;

    private void ThrowIfNoLogits()
    {
        if (!_hasLogits)
            throw new InvalidOperationException("There are no logits.");
    }

    private void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (_interrupted)
            throw new VlmException("Interrupted.");
    }
}
