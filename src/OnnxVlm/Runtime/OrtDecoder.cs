using Microsoft.ML.OnnxRuntime;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Runtime;

/// <summary>A model folder loaded by ONNX Runtime itself. Its sequences are rows of one batch: see <see cref="BatchRunner"/>.</summary>
internal sealed class OrtDecoder : IDecoder
{
    // Rows for the cache of answers, and some more for sequences that callers hold themselves.
    private const int CachedRows = 64, OtherRows = 16;

    /// <summary>
    /// Tokens per piece of a prompt on the CPU. Measured: smaller pieces cost more; larger ones cost no less, but delay the other rows for longer.
    /// </summary>
    internal const int CpuChunkTokens = 32;

    private readonly ModelManifest _manifest;
    private readonly BatchRunner _runner;
    private readonly RowSize _row;
    private bool _disposed;

    private OrtDecoder(ModelSession session, IReadOnlyList<KeyValueRows> lanes, ModelManifest manifest, Device device, long cacheBytes)
    {
        _manifest = manifest;
        Device = device;
        CacheBytesPerToken = session.Buffers.Sum(buffer => buffer.TokenBytes);
        StateBytes = session.Buffers.Sum(buffer => buffer.RowBytes);
        // On a GPU, every row has its memory in advance and keeps all tokens.
        WindowRule? window = device == Device.Cpu && manifest.SlidingWindow is int reach ? new WindowRule(reach, ChunkTokens) : null;
        long windowTokenBytes = session.Buffers.Where(buffer => buffer.HasWindow).Sum(buffer => buffer.TokenBytes);
        CacheSize size = new()
        {
            TokenBytes = CacheBytesPerToken - windowTokenBytes,
            WindowTokenBytes = windowTokenBytes,
            WindowTokens = window?.MostTokens,
            StateBytes = StateBytes,
        };
        SavedStateBytes = size.SavedStateBytes(cacheBytes);
        _row = new RowSize(size, new StateBudget(StateBytes == 0 ? 0 : SavedStateBytes / StateBytes));
        MaxSequences = Math.Min(CachedRows, lanes.Sum(lane => lane.Slots - 1));
        _runner = new BatchRunner(session, lanes, window, manifest.Image.BidirectionalAttention);
        NativeOwner.Created();
    }

    // Otherwise the runner's thread would keep the memory of a model that nobody has disposed.
    ~OrtDecoder() => _runner?.BeginDispose();

    public int VocabularySize => _manifest.VocabularySize;

    public int ContextLength => _manifest.ContextLength;

    public bool CanAppend => true;

    public bool CanFork => true;

    public bool SplitsImages => !_manifest.Image.BidirectionalAttention;

    public int ChunkTokens => Device == Device.Cpu ? CpuChunkTokens : 512;

    public int MaxSequences { get; }

    public long CacheBytesPerToken { get; }

    public bool CanRewind => true;

    public bool RestoresAnywhere => StateBytes == 0 && _row.Size.WindowTokens is null;

    public long StateBytes { get; }

    public long SavedStateBytes { get; }

    public int PlaceholderTokenId => _manifest.Image.Tokens.Placeholder;

    public int MaxPatchesPerImage => _manifest.Image.MaxPatches;

    public Device Device { get; }

    /// <summary>Loads a model folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="manifest">Its manifest.</param>
    /// <param name="device">The CPU or CUDA.</param>
    /// <param name="threads">Threads of the CPU.</param>
    /// <param name="allocator">Memory for packed matrices, which the decoder then owns; null for none.</param>
    /// <param name="cacheBytes">Memory for rows; allocated in advance on a GPU.</param>
    /// <returns>The loaded model.</returns>
    /// <exception cref="ModelLoadException">There is no memory for rows, or the graph is none of this version.</exception>
    /// <exception cref="OnnxRuntimeException">The runtime refuses the folder.</exception>
    public static OrtDecoder Load(string folder, ModelManifest manifest, Device device, int threads, PackingAllocator? allocator, long cacheBytes)
    {
        using SessionOptions options = new() { IntraOpNumThreads = threads, EnableMemoryPattern = false };
        if (device == Device.Cuda)
            options.AppendExecutionProvider_CUDA();
        if (allocator is not null)
            options.AddSessionConfigEntry(PackingAllocator.SessionEntry, "1");
        InferenceSession session;
        using (allocator?.Register())
            session = new InferenceSession(Path.Combine(folder, "model.onnx"), options);
        try
        {
            ModelSession graph = new(session, allocator);
            IReadOnlyList<KeyValueRows> lanes = device == Device.Cuda
                ? DeviceRowMemory.CreateLanes(session, graph.Buffers, manifest.ContextLength, cacheBytes)
                : [KeyValueRows.Reserve(graph.Buffers, CachedRows + OtherRows, manifest.ContextLength)];
            return new OrtDecoder(graph, lanes, manifest, device, cacheBytes);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    public long BytesFor(int tokens) => _row.Size.Bytes(tokens);

    public bool SavesStateAfter(int tokenId) => StateBytes > 0 && _manifest.EndTokenIds.Contains(tokenId);

    public IDecoderSequence CreateSequence(SequenceOptions options)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new DecoderRow(_manifest, _runner, options, _row);
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _runner.Dispose();
        NativeOwner.Disposed();
        GC.SuppressFinalize(this);
    }
}
