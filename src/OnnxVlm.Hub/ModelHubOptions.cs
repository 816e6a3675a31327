using System.Globalization;
using OnnxVlm.Hub.Cache;
using OnnxVlm.Runtime;

namespace OnnxVlm.Hub;

/// <summary>
/// Where models come from and go to. Each value is by default what the environment says, in the variables that Hugging Face's own client reads. Immutable.
/// </summary>
public sealed record ModelHubOptions
{
    private const string DefaultEndpoint = "https://huggingface.co";

    private readonly Func<string, string?> _environment;

    /// <summary>The options that the environment of this process says.</summary>
    public ModelHubOptions()
        : this(Environment.GetEnvironmentVariable)
    {
    }

    internal ModelHubOptions(Func<string, string?> environment)
    {
        _environment = name => environment(name) is { Length: > 0 } value ? value : null;
        ModelsFolder = Expand(_environment("ONNXVLM_MODELS")) ?? DefaultModelsFolder();
        Endpoint = new Uri((_environment("HF_ENDPOINT") ?? DefaultEndpoint).TrimEnd('/') + "/");
        IsOffline = IsSet("HF_HUB_OFFLINE") || IsSet("TRANSFORMERS_OFFLINE");
        CacheFolder = HuggingFaceCache.FindFolder(_environment);
        Token = AccessToken.Find(_environment);
        MetadataTimeout = Seconds("HF_HUB_ETAG_TIMEOUT");
        DownloadTimeout = Seconds("HF_HUB_DOWNLOAD_TIMEOUT");
        UsesSymlinks = !IsSet("HF_HUB_DISABLE_SYMLINKS");
    }

    /// <summary>
    /// The folder of the models on this machine. Default <c>ONNXVLM_MODELS</c>; else <c>%LOCALAPPDATA%\OnnxVlm\models</c> on Windows, and <c>$XDG_DATA_HOME/onnxvlm/models</c> elsewhere, by default in
    /// <c>~/.local/share</c>.
    /// </summary>
    public string ModelsFolder { get; init; }

    /// <summary>The hub. Default <c>HF_ENDPOINT</c>, else https://huggingface.co.</summary>
    public Uri Endpoint { get; init; }

    /// <summary>Whether nothing may be asked of the network. Default <c>HF_HUB_OFFLINE</c> or <c>TRANSFORMERS_OFFLINE</c>.</summary>
    public bool IsOffline { get; init; }

    /// <summary>Hugging Face's cache, whose snapshots are used and, when asked, added to. Default <c>HF_HUB_CACHE</c>, else <c>$HF_HOME/hub</c>, else <c>~/.cache/huggingface/hub</c>.</summary>
    public string CacheFolder { get; init; }

    /// <summary>
    /// Says who is asking, for models that not everybody may read; null for nobody. It goes to <see cref="Endpoint"/> only. Default <c>HF_TOKEN</c>, else the file that <c>hf auth login</c> writes.
    /// </summary>
    public string? Token { get; init; }

    /// <summary>How long an answer about a model may take. Default <c>HF_HUB_ETAG_TIMEOUT</c>, else 10 s.</summary>
    public TimeSpan MetadataTimeout { get; init; }

    /// <summary>How long a download may be silent before it is tried again. Default <c>HF_HUB_DOWNLOAD_TIMEOUT</c>, else 10 s.</summary>
    public TimeSpan DownloadTimeout { get; init; }

    /// <summary>Whether snapshots in the cache are links to its blobs, where the disk can do that. Default yes, unless <c>HF_HUB_DISABLE_SYMLINKS</c> is set.</summary>
    public bool UsesSymlinks { get; init; }

    /// <summary>Whether <see cref="ModelHub.ResolveAsync"/> downloads a model that is not on this machine. Default no: it is an error that names the command.</summary>
    public bool PullsMissing { get; init; }

    /// <summary>
    /// Makes the <see cref="Export.ExportOptions.Trial"/> of pulled checkpoints for the device that the graph is written for. What fails there fails the pull, and what was downloaded stays for the next one.
    /// Default null: graphs are not tried.
    /// </summary>
    public Func<Device, Func<string, CancellationToken, string?>>? Trial { get; init; }

    /// <summary>Never writes the token.</summary>
    public override string ToString() => $"{Endpoint}, {ModelsFolder}";

    private bool IsSet(string name) => _environment(name)?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";

    private TimeSpan Seconds(string name) => double.TryParse(_environment(name), NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) && seconds > 0 ? TimeSpan.FromSeconds(seconds) : TimeSpan.FromSeconds(10);

    private string DefaultModelsFolder() => OperatingSystem.IsWindows()
        ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "OnnxVlm", "models")
        : Path.Combine(Expand(_environment("XDG_DATA_HOME")) ?? Path.Combine(HuggingFaceCache.Home(_environment), ".local", "share"), "onnxvlm", "models");

    private string? Expand(string? path) => path is null ? null : HuggingFaceCache.Expand(path, _environment);
}
