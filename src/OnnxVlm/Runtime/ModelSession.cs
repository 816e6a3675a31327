using Microsoft.ML.OnnxRuntime;

namespace OnnxVlm.Runtime;

/// <summary>
/// The graph in ONNX Runtime, and one run of it: it takes inputs from rows and pieces of prompts and writes logits back into the rows. Used by one
/// thread, except <see cref="Interrupt"/>.
/// </summary>
internal sealed class ModelSession : IDisposable
{
    private const string Places = "patch_xy", Offset = "position_offset", Evicted = "evicted";

    private static readonly OrtMemoryInfo Host = OrtMemoryInfo.DefaultInstance;

    private readonly InferenceSession _session;
    private readonly PackingAllocator? _allocator;
    private readonly RunOptions _options = new();
    private readonly string[] _inputs;
    private readonly string[] _outputs;
    private readonly int _vocabulary;
    private readonly int _patchBytes;
    private readonly bool _hasPlaces;
    private readonly bool _hasOffset;
    private readonly bool _hasEvicted;
    private long[] _mask = [];
    private float[] _logits = [];

    /// <summary>Takes ownership of a session.</summary>
    /// <param name="session">The graph.</param>
    /// <param name="allocator">Holds its packed matrices; null if it has none.</param>
    public ModelSession(InferenceSession session, PackingAllocator? allocator)
    {
        _session = session;
        _allocator = allocator;
        Buffers = StateBuffer.ReadFrom(session);
        _hasPlaces = session.InputMetadata.ContainsKey(Places);
        _hasOffset = session.InputMetadata.ContainsKey(Offset);
        _hasEvicted = session.InputMetadata.ContainsKey(Evicted);
        _vocabulary = session.OutputMetadata["logits"].Dimensions[^1];
        _patchBytes = session.InputMetadata["patches"].Dimensions[1];
        string[] places = _hasPlaces ? [Places] : [], offset = _hasOffset ? [Offset] : [], evicted = _hasEvicted ? [Evicted] : [];
        _inputs = ["input_ids", "attention_mask", "patches", "patch_count", .. places, .. offset, .. evicted, .. Buffers.Select(buffer => buffer.Input)];
        _outputs = ["logits", .. Buffers.Select(buffer => buffer.Output)];
    }

    /// <summary>The state of a row.</summary>
    public IReadOnlyList<StateBuffer> Buffers { get; }

    /// <summary>Makes the current run fail soon. May be called by another thread.</summary>
    public void Interrupt() => _options.Terminate = true;

    /// <summary>
    /// Reads one piece for each row, all with the same number of tokens; more than one token, or an image, for one row only. Afterwards the rows have
    /// their logits; their lengths are unchanged.
    /// </summary>
    /// <param name="rows">Rows in neighbouring slots, in their order.</param>
    /// <exception cref="OnnxRuntimeException">The run failed, or was interrupted.</exception>
    public void Run(IReadOnlyList<DecoderRow> rows)
    {
        PrefillChunk first = rows[0].Read!.Chunk;
        int count = rows.Count, length = first.TokenIds.Length;
        using DisposableValues inputs = [Tokens(rows, length), Mask(rows, length), .. Patches(first.Images)];
        if (_hasOffset)
            inputs.Add(OrtValue.CreateTensorValueFromMemory(rows.Select(row => (long)row.Images.PositionOffset).ToArray(), [count]));
        if (_hasEvicted)
            inputs.Add(OrtValue.CreateTensorValueFromMemory(rows.Select(row => (long)row.Rows!.EvictedOf(row.Slot)).ToArray(), [count]));
        if (_logits.Length < count * _vocabulary)
            _logits = new float[count * _vocabulary];
        using OrtValue logits = OrtValue.CreateTensorValueFromMemory(Host, _logits.AsMemory(0, count * _vocabulary), [count, 1, _vocabulary]);
        IReadOnlyList<OrtValue> state = rows[0].Rows!.View(rows[0].Slot, count);
        _session.Run(_options, _inputs, [.. inputs, .. state], _outputs, [logits, .. state]);
        for (int i = 0; i < count; i++)
            _logits.AsSpan(i * _vocabulary, _vocabulary).CopyTo(rows[i].NextLogits);
    }

    /// <summary>Makes the next run possible after an interruption.</summary>
    public void Resume() => _options.Terminate = false;

    public void Dispose()
    {
        _options.Dispose();
        _session.Dispose();
        _allocator?.Dispose();
    }

    private static OrtValue Tokens(IReadOnlyList<DecoderRow> rows, int length)
    {
        long[] ids = new long[rows.Count * length];
        for (int i = 0; i < ids.Length; i++)
            ids[i] = rows[i / length].Read!.Chunk.TokenIds.Span[i % length];
        return OrtValue.CreateTensorValueFromMemory(ids, [rows.Count, length]);
    }

    // As wide as the longest row; the rest of the other rows is 0.
    private OrtValue Mask(IReadOnlyList<DecoderRow> rows, int length)
    {
        int width = rows.Max(row => row.Length) + length, size = rows.Count * width;
        if (_mask.Length < size)
            _mask = new long[2 * size];
        for (int i = 0; i < rows.Count; i++)
        {
            _mask.AsSpan(i * width, rows[i].Length + length).Fill(1);
            _mask.AsSpan(i * width, width)[(rows[i].Length + length)..].Clear();
        }
        return OrtValue.CreateTensorValueFromMemory(Host, _mask.AsMemory(0, size), [rows.Count, width]);
    }

    private IEnumerable<OrtValue> Patches(IReadOnlyList<ImagePart> images)
    {
        int count = images.Sum(image => image.Count), capacity = Math.Max(1, count), next = 0;
        byte[] pixels = new byte[capacity * _patchBytes];
        long[] places = new long[2 * capacity];
        foreach (ImagePart image in images)
        {
            image.Patches.Span.CopyTo(pixels.AsSpan(next * _patchBytes));
            image.WritePlaces(places.AsSpan(2 * next));
            next += image.Count;
        }
        yield return OrtValue.CreateTensorValueFromMemory(pixels, [capacity, _patchBytes]);
        yield return OrtValue.CreateTensorValueFromMemory(new long[] { count }, [1]);
        if (_hasPlaces)
            yield return OrtValue.CreateTensorValueFromMemory(places, [capacity, 2]);
    }

    private sealed class DisposableValues : List<OrtValue>, IDisposable
    {
        public void Dispose() => ForEach(value => value.Dispose());
    }
}
