using Microsoft.ML.OnnxRuntimeGenAI;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Runtime;

/// <summary>One GenAI generator, batch 1. It only computes logits: the token is chosen outside and then read like a token of the prompt.</summary>
internal sealed class GenAISequence : IDecoderSequence
{
    private readonly Generator _generator;
    private readonly PinnedTensor<byte> _patches;
    private readonly PinnedTensor<long> _patchCount = new(ElementType.int64, 1);
    private readonly PinnedTensor<long>? _places;
    private readonly PinnedTensor<long>? _positionOffset;
    private readonly PinnedTensor<long>? _evicted;
    private readonly ImageSpans _images;
    private readonly int _placeholder;
    private readonly long _bytesPerToken;
    private readonly float[] _logits;
    private readonly bool _canAppend;
    private readonly long _stateBytes;
    private bool _hasLogits;
    private bool _disposed;

    /// <summary>Creates an empty sequence.</summary>
    /// <param name="model">The model.</param>
    /// <param name="manifest">Its manifest.</param>
    /// <param name="options">Size of the key-value cache, which the runtime allocates at once.</param>
    /// <param name="bytesPerToken">Memory for each token in it.</param>
    /// <param name="canAppend">Whether the device accepts tokens more than once.</param>
    /// <exception cref="VlmException">The runtime refuses.</exception>
    public GenAISequence(Model model, ModelManifest manifest, SequenceOptions options, long bytesPerToken, bool canAppend)
    {
        MaxLength = options.MaxLength;
        PatchCapacity = Math.Max(1, options.PatchCapacity);
        _placeholder = manifest.Image.Tokens.Placeholder;
        _images = new ImageSpans(manifest.Image);
        _bytesPerToken = bytesPerToken;
        _canAppend = canAppend;
        _stateBytes = sizeof(float) * (manifest.StateElements ?? 0);
        _logits = new float[manifest.VocabularySize];
        _patches = new PinnedTensor<byte>(ElementType.uint8, PatchCapacity, 3 * manifest.Image.PatchSize * manifest.Image.PatchSize);
        _places = manifest.Image.HasPositions ? new PinnedTensor<long>(ElementType.int64, PatchCapacity, 2) : null;
        _positionOffset = manifest.Image.SharesTextPosition ? new PinnedTensor<long>(ElementType.int64, 1) : null;
        // The runtime's caches hold all tokens: nothing is ever evicted.
        _evicted = manifest.SlidingWindow is null ? null : new PinnedTensor<long>(ElementType.int64, 1);
        try
        {
            _generator = CreateGenerator(model, options);
            NativeOwner.Created();
        }
        catch
        {
            DisposeInputs();
            throw;
        }
        _generator.SetModelInput("patches", _patches.Tensor);
        _generator.SetModelInput("patch_count", _patchCount.Tensor);
        if (_places is not null)
            _generator.SetModelInput("patch_xy", _places.Tensor);
        if (_positionOffset is not null)
            _generator.SetModelInput("position_offset", _positionOffset.Tensor);
        if (_evicted is not null)
            _generator.SetModelInput("evicted", _evicted.Tensor);
    }

    public int MaxLength { get; }

    public int PatchCapacity { get; }

    // This is also read while another thread is reading tokens, so the runtime is not asked.
    public int Length { get; private set; }

    public long SizeBytes => (MaxLength * _bytesPerToken) + _stateBytes;

    public Span<float> Logits =>
        _hasLogits ? _logits : throw new InvalidOperationException("There are no logits before tokens are read, nor after a rewind until more are.");

    public async Task ReadAsync(IReadOnlyList<PrefillChunk> chunks, Action? progress, CancellationToken cancellationToken)
    {
        foreach (PrefillChunk chunk in chunks)
            Refuse(chunk);
        int tokens = chunks.Sum(chunk => chunk.TokenIds.Length);
        if (tokens > MaxLength - Length)
            throw new VlmException($"The sequence has {Length} tokens and was made for {MaxLength}, so it has no room for {tokens} more.");
        _hasLogits = false;
        for (int i = 0; i < chunks.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            PrefillChunk chunk = chunks[i];
            using (cancellationToken.UnsafeRegister(_ => Terminate("1"), null))
            {
                // Fairness: without it, a thread that runs an answer would continue with that answer forever, and other work of the
                // process would wait behind it.
                await Task.Factory.StartNew(
                    () => Read(chunk, cancellationToken),
                    CancellationToken.None,
                    TaskCreationOptions.PreferFairness | TaskCreationOptions.DenyChildAttach,
                    TaskScheduler.Default).ConfigureAwait(false);
            }
            if (cancellationToken.IsCancellationRequested)
                Terminate("0");
            if (i < chunks.Count - 1)
                progress?.Invoke();
        }
        _hasLogits = true;
    }

    public void CopyFrom(IDecoderSequence source, int length) => throw new NotSupportedException("A generator cannot begin as a copy.");

    // The runtime keeps only one state of recurrent layers, the newest.
    public int Restorable(int length) => _stateBytes > 0 && length < Length ? 0 : length;

    public void RewindTo(int length)
    {
        length = Restorable(length);
        if (length == Length)
            return;
        _images.RewindTo(length);
        OffsetPositions();
        _generator.RewindTo((ulong)length);
        Length = length;
        _hasLogits = false;
    }

    public void Pause()
    {
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _generator.Dispose();
        DisposeInputs();
        NativeOwner.Disposed();
    }

    private static Generator CreateGenerator(Model model, SequenceOptions options)
    {
        try
        {
            using GeneratorParams parameters = new(model);
            parameters.SetSearchOption("do_sample", false);
            parameters.SetSearchOption("max_length", options.MaxLength);
            return new Generator(model, parameters);
        }
        catch (OnnxRuntimeGenAIException e)
        {
            throw Failed(e);
        }
    }

    private void Refuse(PrefillChunk chunk)
    {
        chunk.RefuseMissingPatches(_placeholder);
        if (chunk.PatchCount > PatchCapacity)
            throw new ArgumentException($"{chunk.PatchCount} patches at once, but the sequence was made for {PatchCapacity}.", nameof(chunk));
    }

    private void Read(PrefillChunk chunk, CancellationToken cancellationToken)
    {
        try
        {
            WritePatches(chunk.Images);
            int start = Length;
            if (_canAppend || start == 0)
                _generator.AppendTokens(chunk.TokenIds.Span);
            else
                Take(chunk.TokenIds.Span);
            Length = start + chunk.TokenIds.Length;
            _images.Add(start, chunk);
            OffsetPositions();
            NativeGenerator.CopyLogits(_generator, _logits);
        }
        catch (OnnxRuntimeGenAIException e)
        {
            Forget();
            if (cancellationToken.IsCancellationRequested)
                throw new OperationCanceledException(e.Message, e, cancellationToken);
            throw Failed(e);
        }
        finally
        {
            // From here on the graph sees text only.
            _patchCount.Data[0] = 0;
        }
    }

    // Where the device accepts tokens only once, a single token can still be added: the runtime is made to choose it.
    private void Take(ReadOnlySpan<int> tokens)
    {
        if (tokens.Length != 1)
            throw new VlmException("The device takes more than one token only at the beginning of a sequence.");
        Array.Fill(_logits, float.MinValue);
        _logits[tokens[0]] = 0;
        NativeGenerator.SetLogits(_generator, _logits);
        _generator.GenerateNextToken();
    }

    // For later runs: the graph counts the tokens of its own run.
    private void OffsetPositions()
    {
        if (_positionOffset is not null)
            _positionOffset.Data[0] = _images.PositionOffset;
    }

    // The contents of the cache after a failed run are unknown, so none of them is kept.
    private void Forget()
    {
        Terminate("0");
        _images.RewindTo(0);
        OffsetPositions();
        _generator.RewindTo(0);
        Length = 0;
    }

    private void Terminate(string value) => _generator.SetRuntimeOption("terminate_session", value);

    private void WritePatches(IReadOnlyList<ImagePart> images)
    {
        int next = 0;
        foreach (ImagePart image in images)
        {
            image.Patches.Span.CopyTo(_patches.Data.AsSpan(next * (_patches.Data.Length / PatchCapacity)));
            if (_places is not null)
                image.WritePlaces(_places.Data.AsSpan(2 * next));
            next += image.Count;
        }
        _patchCount.Data[0] = next;
    }

    private void DisposeInputs()
    {
        _patches.Dispose();
        _patchCount.Dispose();
        _places?.Dispose();
        _positionOffset?.Dispose();
        _evicted?.Dispose();
    }

    private static VlmException Failed(OnnxRuntimeGenAIException e) => new($"The runtime failed: {e.Message}", e);
}
