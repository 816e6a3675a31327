using OnnxVlm.ModelFolder;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Models;

/// <summary>A registered model. The pool's lock guards what changes.</summary>
internal sealed class ModelEntry
{
    /// <summary>Reads the manifest of a model folder; the model itself is loaded later.</summary>
    /// <param name="options">The model.</param>
    /// <param name="server">The service's options.</param>
    /// <exception cref="ModelLoadException">The folder is missing or damaged.</exception>
    public ModelEntry(ModelOptions options, ServerOptions server)
    {
        Options = options;
        ModelManifest manifest = ModelManifest.Load(options.Folder);
        ContextLength = manifest.ContextLength;
        SamplingDefaults? sampling = manifest.Sampling;
        Sampling = new ModelSampling(
            sampling?.Temperature ?? 0, sampling?.TopK ?? 0, sampling?.TopP ?? 1, sampling?.MinP ?? 0, sampling?.RepetitionPenalty ?? 1);
        Created = new DateTimeOffset(File.GetLastWriteTimeUtc(Path.Combine(options.Folder, ModelManifest.FileName))).ToUnixTimeSeconds();
        FileBytes = new DirectoryInfo(options.Folder).EnumerateFiles().Sum(file => file.Length);
        SizeBytes = options.CacheBytesOf(server) + FileBytes;
        (Architecture, Precision, Revision, CanReason) =
            (manifest.Architecture, manifest.Precision.ToString().ToLowerInvariant(), manifest.Source.Revision ?? "", manifest.Reasoning is not null);
    }

    public ModelOptions Options { get; }

    public string Name => Options.Name;

    /// <summary>Tokens of its context.</summary>
    public int ContextLength { get; }

    /// <summary>Values for fields that a request does not set.</summary>
    public ModelSampling Sampling { get; }

    /// <summary>When its folder was written, Unix seconds.</summary>
    public long Created { get; }

    /// <summary>Its family, as <c>onnxvlm.json</c> names it.</summary>
    public string Architecture { get; }

    /// <summary>The precision of its weights.</summary>
    public string Precision { get; }

    /// <summary>The revision of its checkpoint.</summary>
    public string Revision { get; }

    /// <summary>Whether it can reason before it answers.</summary>
    public bool CanReason { get; }

    /// <summary>Bytes of its files.</summary>
    public long FileBytes { get; }

    /// <summary>Its share of the memory budget, in bytes.</summary>
    public long SizeBytes { get; }

    public LoadedModel? Loaded { get; set; }

    /// <summary>Requests that use it now.</summary>
    public int Users { get; set; }

    /// <summary>When it was last given back, in the pool's count of uses.</summary>
    public long LastUse { get; set; }
}
