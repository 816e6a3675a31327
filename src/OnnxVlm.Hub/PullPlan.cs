using OnnxVlm.Export.Streaming;
using OnnxVlm.Hub.Protocol;
using OnnxVlm.Hub.Pulling;
using OnnxVlm.Runtime;

namespace OnnxVlm.Hub;

/// <summary>What a pull will do and need. Planning has read the headers of the checkpoint, and no weights. Not thread-safe.</summary>
public sealed record PullPlan
{
    private const int ShortContext = 4096, LongContext = 32768;

    internal PullPlan(ModelReference reference, string folder, PullOptions options)
    {
        Reference = reference;
        Folder = folder;
        Options = options;
    }

    /// <summary>The model, as the hub spells it, with its variant.</summary>
    public ModelReference Reference { get; internal init; }

    /// <summary>The model folder that the pull writes.</summary>
    public string Folder { get; internal init; }

    /// <summary>How it is pulled.</summary>
    public PullOptions Options { get; }

    /// <summary>The model that is already here, so that there is nothing to pull; otherwise null.</summary>
    public LocalModel? Existing { get; internal init; }

    /// <summary>The commit.</summary>
    public string Commit { get; internal init; } = "";

    /// <summary>The licence that it states; null for none, or where the network was not used.</summary>
    public string? License { get; internal init; }

    /// <summary>Whether its terms had to be accepted first.</summary>
    public bool IsGated { get; internal init; }

    /// <summary>The checkpoint's <c>model_type</c>.</summary>
    public string Architecture { get; internal init; } = "";

    /// <summary>Numbers in its tensors; null for a model folder, which does not have this information.</summary>
    public long? Parameters { get; internal init; }

    /// <summary>Bytes of the weights that are read from the network; 0 where they are in Hugging Face's cache.</summary>
    public long DownloadBytes { get; internal init; }

    /// <summary>Bytes that the pull adds to the disk.</summary>
    public long DiskBytes { get; internal init; }

    /// <summary>Free bytes on that disk; null where the system does not tell.</summary>
    public long? FreeDiskBytes { get; internal init; }

    /// <summary>Bytes of the weights.</summary>
    public long WeightBytes { get; internal init; }

    /// <summary>Memory of a conversation beside the weights; null for a model folder, which does not say.</summary>
    public CacheSize? Cache { get; internal init; }

    /// <summary>The most tokens of prompt and answer together.</summary>
    public int ContextLength { get; internal init; }

    /// <summary>Bytes of memory of this machine, or the limit of this process.</summary>
    public long MachineMemoryBytes { get; internal init; }

    /// <summary>The memory for weights and cache at 4096 tokens, or at the whole context where that is shorter.</summary>
    public long ShortMemoryBytes => MemoryBytes(ShortContext);

    /// <summary>The same at 32768 tokens.</summary>
    public long LongMemoryBytes => MemoryBytes(LongContext);

    /// <summary>Whether the disk has room for it.</summary>
    public bool FitsDisk => FreeDiskBytes is null || DiskBytes <= FreeDiskBytes;

    /// <summary>Whether the memory has room for it, at 4096 tokens.</summary>
    public bool FitsMemory => ShortMemoryBytes <= MachineMemoryBytes;

    /// <summary>The snapshot in Hugging Face's cache that the weights are read from; null for the network.</summary>
    public string? Snapshot { get; internal init; }

    internal Repository? Repository { get; init; }

    /// <summary>The files that the folder of the small files must hold when the pull begins.</summary>
    internal IReadOnlyList<RepositoryFile> SmallFiles { get; init; } = [];

    internal HubCheckpointSource? Source { get; init; }

    internal StreamedCheckpoint? Checkpoint { get; init; }

    /// <summary>The folder of the checkpoint's small files.</summary>
    internal string FilesFolder { get; init; } = "";

    /// <summary>The memory for weights and cache.</summary>
    /// <param name="tokens">Tokens of prompt and answer.</param>
    public long MemoryBytes(int tokens) => WeightBytes + (Cache?.Bytes(Math.Min(tokens, ContextLength)) ?? 0);
}
