using System.Text.Json;
using Microsoft.ML.OnnxRuntimeGenAI;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Runtime;

/// <summary>A model folder loaded by ONNX Runtime GenAI.</summary>
internal sealed class GenAIDecoder : IDecoder
{
    private readonly Model _model;
    private readonly PackingAllocator? _allocator;
    private bool _disposed;

    private GenAIDecoder(Model model, PackingAllocator? allocator, ModelManifest manifest, Device device, long cacheBytesPerToken)
    {
        _model = model;
        _allocator = allocator;
        CacheBytesPerToken = cacheBytesPerToken;
        Manifest = manifest;
        Device = device;
        NativeOwner.Created();
    }

    public ModelManifest Manifest { get; }

    public Device Device { get; }

    public int VocabularySize => Manifest.VocabularySize;

    public int ContextLength => Manifest.ContextLength;

    public long CacheBytesPerToken { get; }

    public long StateBytes => sizeof(float) * (Manifest.StateElements ?? 0);

    public int MaxPatchesPerImage => Manifest.Image.MaxPatches;

    public bool CanAppend => Device != Device.DirectMl;

    public bool CanFork => false;

    public bool SplitsImages => false;

    public int ChunkTokens => CanAppend ? 512 : int.MaxValue;

    public int MaxSequences => int.MaxValue;

    // The state of recurrent layers is that of the last token only.
    public bool CanRewind => Manifest.StateElements is null;

    public int PlaceholderTokenId => Manifest.Image.Tokens.Placeholder;

    /// <summary>Loads a model folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="manifest">Its manifest.</param>
    /// <param name="device">Where to run.</param>
    /// <param name="threads">Threads of the CPU device.</param>
    /// <param name="allocator">Memory for packed matrices, which the decoder owns afterwards; null for none.</param>
    /// <returns>The loaded model.</returns>
    /// <exception cref="OnnxRuntimeGenAIException">The runtime refuses the folder.</exception>
    public static GenAIDecoder Load(string folder, ModelManifest manifest, Device device, int threads, PackingAllocator? allocator)
    {
        using Config config = new(folder);
        config.ClearProviders();
        if (DeviceCatalog.ProviderOf(device) is { } provider)
        {
            config.AppendProvider(provider);
            // A graph with `If` in it cannot be captured.
            config.SetProviderOption(provider, device == Device.Cuda ? "enable_cuda_graph" : "enable_graph_capture", "0");
        }
        string usesAllocator = allocator is null ? "0" : "1";
        config.Overlay($$"""{ "model": { "decoder": { "session_options": { "intra_op_num_threads": {{threads}}, "{{PackingAllocator.SessionEntry}}": "{{usesAllocator}}" } } } }""");
        long cacheBytesPerToken = ReadCacheBytesPerToken(folder, manifest);
        using (allocator?.Register())
            return new GenAIDecoder(new Model(config), allocator, manifest, device, cacheBytesPerToken);
    }

    public IDecoderSequence CreateSequence(SequenceOptions options)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new GenAISequence(_model, Manifest, options, CacheBytesPerToken, CanAppend);
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _model.Dispose();
        _allocator?.Dispose();
        NativeOwner.Disposed();
    }

    // Keys and values of every layer; half precision takes half of it.
    private static long ReadCacheBytesPerToken(string folder, ModelManifest manifest)
    {
        if (manifest.CacheNumbersPerToken is long numbers)
            return numbers * manifest.CacheNumberBytes;
        string path = Path.Combine(folder, "genai_config.json");
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            JsonElement decoder = document.RootElement.GetProperty("model").GetProperty("decoder");
            return 2L * manifest.CacheNumberBytes * decoder.GetProperty("num_hidden_layers").GetInt32() * decoder.GetProperty("num_key_value_heads").GetInt32() * decoder.GetProperty("head_size").GetInt32();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new ModelLoadException($"{path}: {e.Message} Export the model again.", e);
        }
    }
}
