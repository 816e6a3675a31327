using Microsoft.ML.OnnxRuntimeGenAI;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Runtime;

/// <summary>One GenAI generator, batch 1, always greedy: sampling happens before, in the scores that <see cref="Advance(ReadOnlySpan{float})"/> takes.</summary>
internal sealed class GenAISequence : IDecoderSequence
{
    private readonly Generator _generator;
    private readonly PinnedTensor<byte> _patches;
    private readonly PinnedTensor<long> _patchCount = new(ElementType.int64, 1);
    private readonly PinnedTensor<long>? _patchXY;

    // By how much a token's index is ahead of its time, where the tokens of an image share one.
    private readonly PinnedTensor<long>? _ropeShift;
    private readonly int _patchCapacity;
    private readonly Grammar? _grammar;
    private readonly float[] _scores = [];
    private readonly int _maxLength;
    private readonly int _placeholder;

    // Of each image in the sequence the first placeholder, and the token after the last.
    private readonly List<(int Start, int End)> _images = [];
    private bool _unread;
    private bool _hasLogits;
    private bool _disposed;

    public GenAISequence(Model model, GrammarModel grammars, ModelManifest manifest, SequenceOptions options)
    {
        int patchBytes = 3 * manifest.Image.PatchSize * manifest.Image.PatchSize;
        _patchCapacity = Math.Max(1, options.PatchCapacity);
        _maxLength = options.MaxLength;
        _placeholder = manifest.Image.Tokens.Placeholder;
        _patches = new PinnedTensor<byte>(ElementType.uint8, _patchCapacity, patchBytes);
        _patchXY = manifest.Image.HasPositions ? new PinnedTensor<long>(ElementType.int64, _patchCapacity, 2) : null;
        _ropeShift = manifest.Image.SharesTime ? new PinnedTensor<long>(ElementType.int64, 1) : null;
        try
        {
            if (options.Guidance is { } guidance)
            {
                _grammar = grammars.Create(guidance, options.MaxLength);
                _scores = new float[grammars.Width];
            }
            _generator = CreateGenerator(model, options);
            NativeOwner.Created();
        }
        catch
        {
            _grammar?.Dispose();
            DisposeInputs();
            throw;
        }
        _generator.SetModelInput("patches", _patches.Tensor);
        _generator.SetModelInput("patch_count", _patchCount.Tensor);
        if (_patchXY is not null)
            _generator.SetModelInput("patch_xy", _patchXY.Tensor);
        if (_ropeShift is not null)
            _generator.SetModelInput("rope_shift", _ropeShift.Tensor);
    }

    public int Length => checked((int)_generator.TokenCount());

    public int ReadLength => _unread ? Length - 1 : Length;

    public void Append(ReadOnlySpan<int> tokenIds, IReadOnlyList<PatchGrid> images)
    {
        RefuseSplitImage(tokenIds, images);
        if (tokenIds.Length > _maxLength - Length)
            throw new VlmException($"The sequence has {Length} tokens and was made for {_maxLength}, so it has no room for {tokenIds.Length} more.");
        try
        {
            // The runtime reads the token it took last only when it is asked for the next one; without this it would be left out of the cache.
            if (_unread)
                NativeGenerator.ReadLastToken(_generator);
            _unread = false;
            WritePatches(images);
            int start = Length;
            _generator.AppendTokens(tokenIds);
            NoteImages(start, tokenIds, images);
            ShiftRope();
            _hasLogits = true;
        }
        catch (OnnxRuntimeGenAIException e)
        {
            Forget();
            throw Failed(e);
        }
        finally
        {
            // From here on the graph sees text only, also in the runs of the tokens it generates.
            _patchCount.Data[0] = 0;
        }
    }

    public void CopyLogits(Span<float> logits)
    {
        ThrowIfNoLogits();
        NativeGenerator.CopyLogits(_generator, logits);
        _unread = false;
    }

    public int Advance(ReadOnlySpan<float> scores)
    {
        ThrowIfNoLogits();
        if (_grammar is null)
        {
            NativeGenerator.SetLogits(_generator, scores);
            return Take();
        }
        scores.CopyTo(_scores);
        int token = _grammar.Choose(_scores);
        Array.Fill(_scores, float.MinValue);
        _scores[token] = 0;
        NativeGenerator.SetLogits(_generator, _scores);
        return Take();
    }

    public int Advance()
    {
        ThrowIfNoLogits();
        if (_grammar is null)
            return Take();
        NativeGenerator.CopyLogits(_generator, _scores);
        _unread = false;
        return Advance(_scores);
    }

    private int Take()
    {
        try
        {
            int length = Length;
            _generator.GenerateNextToken();
            _unread = Length > length;
            return _generator.GetNextTokens()[0];
        }
        catch (OnnxRuntimeGenAIException e)
        {
            throw Failed(e);
        }
    }

    public void RewindTo(int length)
    {
        if (length == Length)
            return;
        foreach ((int start, int end) in _images)
        {
            if (length > start && length < end)
                throw new ArgumentException($"Token {length} is inside an image, whose tokens may have seen each other; rewind to {start} or {end}.", nameof(length));
        }
        _images.RemoveAll(image => image.End > length);
        ShiftRope();
        _generator.RewindTo((ulong)length);
        _grammar?.Reset();
        _unread = false;
        _hasLogits = false;
    }

    public void Interrupt() => _generator.SetRuntimeOption("terminate_session", "1");

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _generator.Dispose();
        _grammar?.Dispose();
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

    private void ThrowIfNoLogits()
    {
        if (!_hasLogits)
            throw new InvalidOperationException("There are no logits before tokens are appended, nor after a rewind until more are.");
    }

    // A part of an image would be read without an error, and wrongly: its tokens see each other.
    private void RefuseSplitImage(ReadOnlySpan<int> tokenIds, IReadOnlyList<PatchGrid> images)
    {
        int patches = images.Sum(image => image.Count), places = tokenIds.Count(_placeholder);
        if (images.Count > 0 && places != patches)
            throw new ArgumentException($"The images have {patches} patches, and there are {places} placeholder tokens for them; an image is read whole.", nameof(images));
    }

    private void NoteImages(int start, ReadOnlySpan<int> tokenIds, IReadOnlyList<PatchGrid> images)
    {
        int next = 0;
        foreach (PatchGrid image in images)
        {
            int first = next + tokenIds[next..].IndexOf(_placeholder);
            next = first;
            for (int patches = 0; patches < image.Count; next++)
                patches += tokenIds[next] == _placeholder ? 1 : 0;
            _images.Add((start + first, start + next));
        }
    }

    // For the runs to come: the graph counts the tokens of its own run.
    private void ShiftRope()
    {
        if (_ropeShift is not null)
            _ropeShift.Data[0] = _images.Sum(image => image.End - image.Start - 1);
    }

    // What a failed run left in the cache is not known, so that nothing of it is kept.
    private void Forget()
    {
        _images.Clear();
        ShiftRope();
        _generator.RewindTo(0);
        _grammar?.Reset();
        _unread = false;
        _hasLogits = false;
    }

    private void WritePatches(IReadOnlyList<PatchGrid> images)
    {
        int count = images.Sum(image => image.Count);
        if (count > _patchCapacity)
            throw new ArgumentException($"{count} patches at once, but the sequence was made for {_patchCapacity}.", nameof(images));
        int next = 0;
        foreach (PatchGrid image in images)
        {
            image.Patches.Span.CopyTo(_patches.Data.AsSpan(next * (_patches.Data.Length / _patchCapacity)));
            for (int i = 0; _patchXY is not null && i < image.Count; i++)
            {
                _patchXY.Data[(2 * (next + i)) + 0] = i % image.Columns;
                _patchXY.Data[(2 * (next + i)) + 1] = i / image.Columns;
            }
            next += image.Count;
        }
        _patchCount.Data[0] = count;
    }

    private void DisposeInputs()
    {
        _patches.Dispose();
        _patchCount.Dispose();
        _patchXY?.Dispose();
        _ropeShift?.Dispose();
    }

    private static VlmException Failed(OnnxRuntimeGenAIException e) => new($"The runtime failed: {e.Message}", e);
}
