using System.Text;
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntimeGenAI;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;

namespace OnnxVlm.Runtime;

/// <summary>A model folder loaded by ONNX Runtime GenAI.</summary>
internal sealed class GenAIDecoder : IDecoder
{
    private readonly Model _model;
    private readonly GrammarModel _grammars;
    private readonly PackingAllocator? _allocator;
    private bool _disposed;

    private GenAIDecoder(Model model, GrammarModel grammars, PackingAllocator? allocator, ModelManifest manifest, Device device, long cacheBytesPerToken)
    {
        _model = model;
        _grammars = grammars;
        _allocator = allocator;
        CacheBytesPerToken = cacheBytesPerToken;
        Manifest = manifest;
        Device = device;
        ChatTemplate = manifest.HasTokenizer ? new GenAIChatTemplate(model) : null;
        NativeOwner.Created();
    }

    public ModelManifest Manifest { get; }

    /// <summary>The chat template; null where the folder has no tokenizer.</summary>
    public GenAIChatTemplate? ChatTemplate { get; }

    public Device Device { get; }

    public int VocabularySize => Manifest.VocabularySize;

    public int ContextLength => Manifest.ContextLength;

    public long CacheBytesPerToken { get; }

    public int MaxPatchesPerImage => Manifest.Image.MaxPatches;

    public bool CanAppend => Device != Device.DirectMl;

    /// <summary>Loads a model folder.</summary>
    /// <param name="folder">The folder, already checked against its manifest.</param>
    /// <param name="manifest">Its manifest.</param>
    /// <param name="vocabulary">Its tokens, for grammars.</param>
    /// <param name="device">Where to run; <see cref="Device.Auto"/> takes the first that works.</param>
    /// <param name="threads">Threads of the CPU device.</param>
    /// <returns>The loaded model.</returns>
    /// <exception cref="ModelLoadException">The runtime refuses the folder, or the device cannot be used; the message says why.</exception>
    public static GenAIDecoder Load(string folder, ModelManifest manifest, Vocabulary vocabulary, Device device, int threads)
    {
        if (device != Device.Auto)
            return LoadOn(folder, manifest, vocabulary, device, threads);
        foreach (Device candidate in DeviceCatalog.Candidates)
        {
            if (!DeviceCatalog.IsPresent(candidate))
                continue;
            try
            {
                return LoadOn(folder, manifest, vocabulary, candidate, threads);
            }
            catch (ModelLoadException) when (candidate != Device.Cpu)
            {
                // Auto means the first device that works; `onnxvlm doctor` tells why the others do not.
            }
        }
        throw new ModelLoadException("No device works, not even the CPU; run `onnxvlm doctor` to see why.");
    }

    public IDecoderSequence CreateSequence(SequenceOptions options)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new GenAISequence(_model, _grammars, Manifest, options);
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        ChatTemplate?.Dispose();
        _grammars.Dispose();
        _model.Dispose();
        _allocator?.Dispose();
        NativeOwner.Disposed();
    }

    private static GenAIDecoder LoadOn(string folder, ModelManifest manifest, Vocabulary vocabulary, Device device, int threads)
    {
        DeviceCatalog.EnsurePresent(device);
        PackingAllocator? allocator = null;
        Model? model = null;
        try
        {
            using Config config = new(folder);
            config.ClearProviders();
            if (DeviceCatalog.ProviderOf(device) is { } provider)
            {
                config.AppendProvider(provider);
                // A graph with `If` in it cannot be captured.
                config.SetProviderOption(provider, device == Device.Cuda ? "enable_cuda_graph" : "enable_graph_capture", "0");
            }
            allocator = device == Device.Cpu ? PackingAllocator.TryCreate(WeightBytes(folder)) : null;
            string usesAllocator = allocator is null ? "0" : "1";
            config.Overlay($$"""{ "model": { "decoder": { "session_options": { "intra_op_num_threads": {{threads}}, "{{PackingAllocator.SessionEntry}}": "{{usesAllocator}}" } } } }""");
            using (allocator?.Register())
                model = new Model(config);
            return new GenAIDecoder(model, new GrammarModel(vocabulary, manifest.VocabularySize, manifest.EndTokenIds), allocator, manifest, device, ReadCacheBytesPerToken(folder, manifest));
        }
        catch (Exception e)
        {
            model?.Dispose();
            allocator?.Dispose();
            if (e is OnnxRuntimeGenAIException or OnnxRuntimeException)
                throw new ModelLoadException($"{folder} could not be loaded on {device}: {OneLine(e.Message)}", e);
            throw;
        }
    }

    private static long WeightBytes(string folder)
    {
        FileInfo file = new(Path.Combine(folder, "model.onnx.data"));
        return file.Exists ? file.Length : 0;
    }

    // Keys and values of every layer; half precision takes half of it.
    private static long ReadCacheBytesPerToken(string folder, ModelManifest manifest)
    {
        if (manifest.CacheNumbersPerToken is long numbers)
            return numbers * manifest.ActivationBytes;
        string path = Path.Combine(folder, "genai_config.json");
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            JsonElement decoder = document.RootElement.GetProperty("model").GetProperty("decoder");
            return 2L * manifest.ActivationBytes * decoder.GetProperty("num_hidden_layers").GetInt32() * decoder.GetProperty("num_key_value_heads").GetInt32() * decoder.GetProperty("head_size").GetInt32();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new ModelLoadException($"{path}: {e.Message} Export the model again.", e);
        }
    }

    private static string OneLine(string message) => new StringBuilder(message).Replace("\r", "").Replace('\n', ' ').ToString();
}
