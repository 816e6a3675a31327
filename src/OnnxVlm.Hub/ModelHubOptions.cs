using System.Globalization;
using OnnxVlm.Hub.Cache;
using OnnxVlm.Runtime;

namespace OnnxVlm.Hub;

/// <summary>
/// The origin and the folder of models. The default of each value comes from the environment, from the variables that Hugging Face's
/// own client reads. Immutable.
/// </summary>
public sealed record ModelHubOptions
{
    private const string DefaultEndpoint = "https://huggingface.co";
    private const double MaxSeconds = 24 * 60 * 60;

    private readonly Func<string, string?> _environment;

    /// <summary>The options of this process's environment.</summary>
    /// <exception cref="ModelHubException">The environment names a token or an address that is none.</exception>
    public ModelHubOptions()
        : this(Environment.GetEnvironmentVariable)
    {
    }

    internal ModelHubOptions(Func<string, string?> environment)
    {
        _environment = name => environment(name) is { Length: > 0 } value ? value : null;
        ModelsFolder = Expand(_environment("ONNXVLM_MODELS")) ?? DefaultModelsFolder();
        Endpoint = ReadEndpoint(_environment("HF_ENDPOINT") ?? DefaultEndpoint);
        IsOffline = IsSet("HF_HUB_OFFLINE") || IsSet("TRANSFORMERS_OFFLINE");
        CacheFolder = HuggingFaceCache.FindFolder(_environment);
        Token = AccessToken.Find(_environment);
        MetadataTimeout = Seconds("HF_HUB_ETAG_TIMEOUT");
        DownloadTimeout = Seconds("HF_HUB_DOWNLOAD_TIMEOUT");
        UsesSymlinks = !IsSet("HF_HUB_DISABLE_SYMLINKS");
    }

    /// <summary>
    /// The folder of the models on this machine. Default <c>ONNXVLM_MODELS</c>; otherwise <c>%LOCALAPPDATA%\OnnxVlm\models</c> on Windows, and
    /// <c>$XDG_DATA_HOME/onnxvlm/models</c> elsewhere, by default in <c>~/.local/share</c>.
    /// </summary>
    public string ModelsFolder { get; init; }

    /// <summary>The hub. Default <c>HF_ENDPOINT</c>, otherwise https://huggingface.co.</summary>
    public Uri Endpoint { get; init; }

    /// <summary>Whether the network must not be used. Default <c>HF_HUB_OFFLINE</c> or <c>TRANSFORMERS_OFFLINE</c>.</summary>
    public bool IsOffline { get; init; }

    /// <summary>
    /// Hugging Face's cache, whose snapshots are used and, on request, added to. Default <c>HF_HUB_CACHE</c>, otherwise <c>$HF_HOME/hub</c>,
    /// otherwise <c>~/.cache/huggingface/hub</c>.
    /// </summary>
    public string CacheFolder { get; init; }

    /// <summary>
    /// Identifies the user, for models that are not public; null for nobody. It is sent only to <see cref="Endpoint"/>. Default <c>HF_TOKEN</c>,
    /// otherwise the file that <c>hf auth login</c> writes.
    /// </summary>
    public string? Token { get; init; }

    /// <summary>The longest wait for an answer about a model. Default <c>HF_HUB_ETAG_TIMEOUT</c>, otherwise 10 s.</summary>
    public TimeSpan MetadataTimeout { get; init; }

    /// <summary>The longest silence of a download before it is tried again. Default <c>HF_HUB_DOWNLOAD_TIMEOUT</c>, otherwise 10 s.</summary>
    public TimeSpan DownloadTimeout { get; init; }

    /// <summary>
    /// Whether snapshots in the cache are links to its blobs, where the disk supports links. Default yes, unless <c>HF_HUB_DISABLE_SYMLINKS</c> is set.
    /// </summary>
    public bool UsesSymlinks { get; init; }

    /// <summary>
    /// Whether <see cref="ModelHub.ResolveAsync"/> downloads a model that is not on this machine. Default no: it throws an error that names the command.
    /// </summary>
    public bool PullsMissing { get; init; }

    /// <summary>
    /// Makes the <see cref="Export.ExportOptions.Trial"/> of pulled checkpoints for the device that the graph is written for. What fails there fails
    /// the pull, and what was downloaded stays for the next one. Default null: graphs are not tried.
    /// </summary>
    public Func<Device, Func<string, CancellationToken, string?>>? Trial { get; init; }

    /// <summary>Never contains the token.</summary>
    public override string ToString() => $"{Endpoint}, {ModelsFolder}";

    private bool IsSet(string name) => _environment(name)?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";

    private static Uri ReadEndpoint(string text) =>
        Uri.TryCreate(text.Trim().TrimEnd('/') + "/", UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https"
            ? address
            : throw new ModelHubException(ModelHubError.Other, $"HF_ENDPOINT: expected an address such as {DefaultEndpoint}, found \"{text}\"; set it again");

    private TimeSpan Seconds(string name) =>
        double.TryParse(_environment(name), NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) && seconds > 0
            ? TimeSpan.FromSeconds(Math.Min(seconds, MaxSeconds))
            : TimeSpan.FromSeconds(10);

    private string DefaultModelsFolder() => OperatingSystem.IsWindows()
        ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "OnnxVlm", "models")
        : Path.Combine(Expand(_environment("XDG_DATA_HOME")) ?? Path.Combine(HuggingFaceCache.Home(_environment), ".local", "share"), "onnxvlm", "models");

    private string? Expand(string? path) => path is null ? null : HuggingFaceCache.Expand(path, _environment);
}
