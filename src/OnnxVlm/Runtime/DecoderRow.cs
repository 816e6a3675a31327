using OnnxVlm.ModelFolder;

namespace OnnxVlm.Runtime;

/// <summary>One sequence of an <see cref="OrtDecoder"/>: a row of the batch. What it reads is queued, and <see cref="BatchRunner"/> runs it together with the others.</summary>
internal sealed class DecoderRow : IDecoderSequence
{
    private readonly ModelManifest _manifest;
    private readonly BatchRunner _runner;
    private readonly RowSize _memory;

    /// <summary>Creates an empty row. It must not know the decoder: the runner's thread knows the row, and a decoder that nobody else knows is to be freed.</summary>
    /// <param name="manifest">The model.</param>
    /// <param name="runner">Runs it.</param>
    /// <param name="options">Its size.</param>
    /// <param name="memory">What a row takes.</param>
    public DecoderRow(ModelManifest manifest, BatchRunner runner, SequenceOptions options, RowSize memory)
    {
        _manifest = manifest;
        _runner = runner;
        _memory = memory;
        Options = options;
        Images = new ImageSpans(manifest.Image);
        States = new SavedStates(memory.States);
        runner.Open(this);
    }

    public SequenceOptions Options { get; }

    public int MaxLength => _manifest.ContextLength;

    public int PatchCapacity => int.MaxValue;

    /// <summary>What the next run goes on from. Changed by the runner while it reads, and by the owner of the row while it does not.</summary>
    public int Length { get; set; }

    public long SizeBytes => _memory.Size.Bytes(Length);

    public Span<float> Logits => HasLogits ? NextLogits : throw new InvalidOperationException("There are no logits before tokens are read, nor after a rewind until more are.");

    /// <summary>float [vocabulary]: where the runner puts the logits.</summary>
    public float[] NextLogits => field ??= new float[_manifest.VocabularySize];

    /// <summary>Whether <see cref="NextLogits"/> are those of the next token.</summary>
    public bool HasLogits { get; set; }

    /// <summary>Where the images are, under the runner's lock; only for models whose images are read whole.</summary>
    public ImageSpans Images { get; }

    /// <summary>What recurrent layers remembered before, where the model has such layers.</summary>
    public SavedStates States { get; }

    /// <summary>The length that what the recurrent layers remember belongs to; −1 where that is not known. Changed by the runner.</summary>
    public int StateLength { get; set; } = -1;

    /// <summary>How many of its first tokens the layers with a window will have forgotten by the end of its next run. Guarded by the runner's lock.</summary>
    public int Evicted { get; set; }

    /// <summary>Where its state is; null before the first run.</summary>
    public KeyValueRows? Rows { get; set; }

    /// <summary>Its place there.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>What it waits for, under the runner's lock; null while it rests.</summary>
    public RowRead? Read { get; set; }

    /// <summary>The row that it begins as, until the runner has copied it.</summary>
    public RowCopy? Source { get; set; }

    /// <summary>Why that copy could not be made; null where it was.</summary>
    public VlmException? Failure { get; set; }

    /// <summary>Whether it usually comes back with its next token in time for the next run.</summary>
    public bool IsPrompt { get; set; }

    /// <summary>When its last run ended, in ticks of the stopwatch.</summary>
    public long LastRun { get; set; }

    /// <summary>Whether its memory may be given back.</summary>
    public bool IsClosed { get; set; }

    public async Task ReadAsync(IReadOnlyList<PrefillChunk> chunks, Action? progress, CancellationToken cancellationToken)
    {
        RowRead read = new(chunks, progress);
        foreach (PrefillChunk chunk in chunks)
            chunk.RefuseMissingPatches(_manifest.Image.Tokens.Placeholder);
        if (read.TokensLeft > MaxLength - Length)
            throw new VlmException($"The sequence has {Length} tokens and was made for {MaxLength}, so it has no room for {read.TokensLeft} more.");
        HasLogits = false;
        _runner.Submit(this, read);
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(_ => _runner.Cancel(this, read, cancellationToken), null);
        await read.Completion.Task.ConfigureAwait(false);
    }

    public void CopyFrom(IDecoderSequence source, int length)
    {
        DecoderRow row = (DecoderRow)source;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, row.Length);
        _runner.Fork(row, this, length);
    }

    /// <summary>As <see cref="BatchRunner.Fill"/>.</summary>
    /// <param name="length">Tokens.</param>
    public void Fill(int length) => _runner.Fill(this, length);

    public void RewindTo(int length)
    {
        if (length == Length)
            return;
        _runner.Rewind(this, length);
        HasLogits = false;
    }

    public int Restorable(int length) => _memory.Size is { StateBytes: 0, WindowTokens: null } ? length : _runner.Restorable(this, length);

    public void Pause() => _runner.Pause(this);

    public void Dispose() => _runner.Close(this);
}

/// <summary>Tokens that a row is to read. Guarded by the runner's lock.</summary>
/// <param name="chunks">In pieces, each for one run.</param>
/// <param name="progress">Called after each piece but the last.</param>
internal sealed class RowRead(IReadOnlyList<PrefillChunk> chunks, Action? progress)
{
    private int _next;

    /// <summary>Ends with the last piece, a failure or the cancellation. Who waits goes on in the thread pool, so that rows are sampled side by side.</summary>
    public TaskCompletionSource Completion { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Called after each piece but the last.</summary>
    public Action? Progress => progress;

    /// <summary>The piece for the next run.</summary>
    public PrefillChunk Chunk => chunks[_next];

    /// <summary>Tokens of all pieces that were not run yet.</summary>
    public int TokensLeft { get; private set; } = chunks.Sum(chunk => chunk.TokenIds.Length);

    /// <summary>Whether it is one token of text: such rows run together.</summary>
    public bool IsOneToken => TokensLeft == 1 && Chunk.Images.Count == 0;

    /// <summary>Turns in which another prompt was read.</summary>
    public int TurnsWaited { get; set; }

    /// <summary>Whether the piece is being run.</summary>
    public bool IsRunning { get; set; }

    /// <summary>Who cancelled it; none so far where it cannot be cancelled.</summary>
    public CancellationToken Cancelled { get; set; }

    /// <summary>Goes to the next piece.</summary>
    /// <returns>Whether there is one.</returns>
    public bool Advance()
    {
        TokensLeft -= Chunk.TokenIds.Length;
        TurnsWaited = 0;
        if (TokensLeft == 0)
            return false;
        _next++;
        return true;
    }
}

/// <summary>What a row takes.</summary>
/// <param name="Size">Memory of its tokens and its state.</param>
/// <param name="States">How many states the rows may have saved.</param>
internal sealed record RowSize(CacheSize Size, StateBudget States);
