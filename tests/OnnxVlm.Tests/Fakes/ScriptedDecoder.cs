using System.Numerics.Tensors;
using OnnxVlm.Generation;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Fakes;

/// <summary>A decoder whose logits are a function of the tokens so far, so that every case of the generation loop has an exact expected result.</summary>
internal sealed class ScriptedDecoder(int vocabularySize, Func<IReadOnlyList<int>, float[]> logitsOf) : IDecoder
{
    public int VocabularySize => vocabularySize;

    public int ContextLength { get; init; } = 1000;

    public bool CanAppend { get; init; } = true;

    public bool CanRewind { get; init; } = true;

    public bool CanFork { get; init; }

    public bool SplitsImages { get; init; }

    public int ChunkTokens { get => CanAppend ? field : int.MaxValue; init; } = 512;

    public int MaxSequences { get; init; } = 64;

    public int PlaceholderTokenId => TestVocabulary.ImageId;

    public long CacheBytesPerToken => 1;

    public int MaxPatchesPerImage { get; init; } = 16;

    public Device Device => Device.Cpu;

    /// <summary>Called at the beginning of each piece that is read, for example to cancel meanwhile.</summary>
    public Action<ScriptedSequence>? OnRead { get; set; }

    /// <summary>What a piece waits for before it is read; null for nothing.</summary>
    public Func<ScriptedSequence, Task>? BeforeRead { get; set; }

    public List<ScriptedSequence> Sequences { get; } = [];

    public int ActiveSequences => Sequences.Count(sequence => !sequence.IsDisposed);

    /// <summary>A decoder that answers with the given tokens, one after the other, whatever it has read; logit 10 for the next one, 0 for the others.</summary>
    /// <param name="vocabularySize">Width of the logits.</param>
    /// <param name="answer">The tokens.</param>
    public static ScriptedDecoder Answering(int vocabularySize, params int[] answer)
    {
        ScriptedDecoder decoder = null!;
        return decoder = new ScriptedDecoder(vocabularySize, tokens =>
        {
            float[] logits = new float[vocabularySize];
            int next = decoder.Sequences[^1].Reads.Count - 1;
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

/// <summary>A sequence of a <see cref="ScriptedDecoder"/> that notes what is done with it.</summary>
internal sealed class ScriptedSequence(ScriptedDecoder decoder, SequenceOptions options) : IDecoderSequence
{
    private readonly List<int> _tokens = [];
    private float[]? _logits;

    public SequenceOptions Options => options;

    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>The pieces that were read: their tokens, and how many images.</summary>
    public List<(int[] TokenIds, int Images)> Reads { get; } = [];

    /// <summary>Tokens that were copied from another sequence.</summary>
    public int CopiedTokens { get; private set; }

    public bool IsDisposed { get; private set; }

    public int MaxLength => decoder.CanFork ? decoder.ContextLength : options.MaxLength;

    public int PatchCapacity => decoder.CanFork ? int.MaxValue : options.PatchCapacity;

    public int Length => _tokens.Count;

    public long SizeBytes => decoder.CanFork ? Length : MaxLength;

    public Span<float> Logits => _logits ?? throw new InvalidOperationException("There are no logits.");

    public async Task ReadAsync(IReadOnlyList<PrefillChunk> chunks, Action? progress, CancellationToken cancellationToken)
    {
        _logits = null;
        for (int i = 0; i < chunks.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            PrefillChunk chunk = chunks[i];
            if (decoder.BeforeRead is { } before)
                await before(this).WaitAsync(cancellationToken);
            await Task.Factory.StartNew(() => Read(chunk), CancellationToken.None, TaskCreationOptions.PreferFairness, TaskScheduler.Default);
            if (i < chunks.Count - 1)
                progress?.Invoke();
        }
        // The caller may change them.
        _logits = [.. decoder.LogitsOf(_tokens)];
    }

    public void CopyFrom(IDecoderSequence source, int length)
    {
        ObjectDisposedException.ThrowIf(IsDisposed || ((ScriptedSequence)source).IsDisposed, this);
        if (!decoder.CanFork || Length > 0)
            throw new NotSupportedException();
        _tokens.AddRange(((ScriptedSequence)source).Tokens.Take(length));
        CopiedTokens = length;
    }

    public void RewindTo(int length)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (length == Length)
            return;
        if (!decoder.CanRewind && length > 0)
            throw new VlmException("This model cannot go back.");
        _tokens.RemoveRange(length, _tokens.Count - length);
        _logits = null;
    }

    public void Pause()
    {
    }

    public void Dispose() => IsDisposed = true;

    private void Read(PrefillChunk chunk)
    {
        decoder.OnRead?.Invoke(this);
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (!decoder.CanAppend && Reads.Count > 0 && chunk.TokenIds.Length > 1)
            throw new VlmException("This device cannot append.");
        if (_tokens.Count + chunk.TokenIds.Length > MaxLength || chunk.PatchCount > PatchCapacity)
            throw new VlmException("The sequence is full.");
        Reads.Add((chunk.TokenIds.ToArray(), chunk.Images.Count));
        _tokens.AddRange(chunk.TokenIds.Span);
    }
}

/// <summary>A grammar that allows everything.</summary>
internal sealed class FreeGrammar : IGrammar
{
    public int Choose(Span<float> scores) => TensorPrimitives.IndexOfMax<float>(scores);

    public void Dispose()
    {
    }
}
