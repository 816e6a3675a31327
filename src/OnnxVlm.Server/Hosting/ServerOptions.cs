using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OnnxVlm.Imaging;

namespace OnnxVlm.Server.Hosting;

/// <summary>
/// Options of the service, bound to the configuration section <see cref="Section"/>: appsettings.json, then environment variables such as
/// <c>OnnxVlmServer__ApiKeys__0</c>, then the command line. Checked when the service starts.
/// </summary>
public sealed class ServerOptions
{
    /// <summary>Name of the configuration section.</summary>
    public const string Section = "OnnxVlmServer";

    /// <summary>The models that requests may name. At least one.</summary>
    [MinLength(1, ErrorMessage = "Models is empty; give the service at least one model folder.")]
    [ValidateEnumeratedItems]
    public List<ModelOptions> Models { get; set; } = [];

    /// <summary>Keys that open everything but /health and the page. Default none, and then the service listens on loopback only.</summary>
    public List<string> ApiKeys { get; set; } = [];

    /// <summary>What becomes of fields of a request that the service does not know, at every depth. Default <see cref="UnknownFieldPolicy.Refuse"/>.</summary>
    public UnknownFieldPolicy UnknownFields { get; set; } = UnknownFieldPolicy.Refuse;

    /// <summary>Origins whose pages may call the service from a browser, for example <c>https://example.org</c>. Default none.</summary>
    public List<string> AllowedOrigins { get; set; } = [];

    /// <summary>Requests that are answered at the same time. Default 16: a model runs its answers as one batch.</summary>
    [Range(1, 1024)]
    public int MaxRunning { get; set; } = 16;

    /// <summary>Requests that wait for their turn; one more is refused with status 429. Default 64.</summary>
    [Range(0, 100_000)]
    public int MaxWaiting { get; set; } = 64;

    /// <summary>The longest a request waits for its turn. Default 60 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan QueueTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The longest a request runs; then it ends with an error. Default 10 min.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan AnswerTimeout { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The longest that the body of a request takes to come. Default 60 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan BodyTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The longest that a client takes no byte of an answer; then its connection is closed. Default 20 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan SendTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a stream is silent before a comment line keeps it open. Default 10 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan KeepAlive { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long running answers may go on when the service stops. Default 60 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Memory in bytes that loaded models may take, counted as their files plus their <see cref="ModelOptions.CacheBytes"/>; the least recently used
    /// goes first. Default 0, which is no limit.
    /// </summary>
    [Range(0, long.MaxValue)]
    public long MemoryBudgetBytes { get; set; }

    /// <summary>Tokens of an answer whose request names no number. Default 512; never more than the context has room for.</summary>
    [Range(1, int.MaxValue)]
    public int DefaultMaxTokens { get; set; } = 512;

    /// <summary>Size of a request's body in bytes. Default 32 MiB.</summary>
    [Range(1024, 1L << 30)]
    public long MaxBodyBytes { get; set; } = 32L << 20;

    /// <summary>
    /// Bytes of the bodies of all requests under way; who comes when it is used up waits, and one client gets half of it. Default 96 MiB; at least
    /// one body of <see cref="MaxBodyBytes"/> always fits.
    /// </summary>
    [Range(1024, 1L << 40)]
    public long MaxBodyBytesUnderWay { get; set; } = 96L << 20;

    /// <summary>Connections that are open at the same time; one more is closed at once. Default 4096.</summary>
    [Range(1, 1_000_000)]
    public int MaxConnections { get; set; } = 4096;

    /// <summary>
    /// Whether requests with different API keys share the cache of past prompts. Default no: the number of cached tokens and the time would tell
    /// one what another has asked.
    /// </summary>
    public bool ShareCache { get; set; }

    /// <summary>
    /// Responses that are kept for each API key, for <c>previous_response_id</c> of /v1/responses; the oldest goes first. Default 1000; 0 keeps none.
    /// </summary>
    [Range(0, 100_000)]
    public int MaxStoredResponses { get; set; } = 1000;

    /// <summary>How long a response is kept. Default 1 h.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "30.00:00:00")]
    public TimeSpan StoredResponseLifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Bytes of all responses that are kept, images included; the key with the most loses its oldest first. Default 256 MiB.</summary>
    [Range(0, 1L << 40)]
    public long MaxStoredBytes { get; set; } = 256L << 20;

    /// <summary>Messages of a request. Default 1024.</summary>
    [Range(1, 100_000)]
    public int MaxMessages { get; set; } = 1024;

    /// <summary>Images of a request. Default 64.</summary>
    [Range(0, 1000)]
    public int MaxImages { get; set; } = 64;

    /// <summary>
    /// Whether clients may have models downloaded from the hub (<c>/v1/downloads</c>), one at a time, onto this machine's disk: clients with an API key, or without keys those on this machine. Default no.
    /// </summary>
    public bool AllowDownloads { get; set; }

    /// <summary>Bytes of the images that were sent ahead (<c>/v1/uploads</c>) and are kept in memory; one API key gets half of it. Default 256 MiB.</summary>
    [Range(1024, 1L << 40)]
    public long MaxUploadBytes { get; set; } = 256L << 20;

    /// <summary>How long after its last use an image that was sent ahead is kept. Default 1 h.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan UploadLifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Answers of a request (<c>n</c>). Default 8.</summary>
    [Range(1, 128)]
    public int MaxChoices { get; set; } = 8;

    /// <summary>Stop texts of a request. Default 4.</summary>
    [Range(0, 64)]
    public int MaxStops { get; set; } = 4;

    /// <summary>Tools of a request. Default 128.</summary>
    [Range(0, 1024)]
    public int MaxTools { get; set; } = 128;

    /// <summary>Bytes of all JSON schemas of a request. Default 64 KiB.</summary>
    [Range(1, 16 << 20)]
    public int MaxSchemaBytes { get; set; } = 64 << 10;

    /// <summary>Levels of a JSON schema. Default 32; at most 60, where the reading of JSON ends.</summary>
    [Range(1, 60)]
    public int MaxSchemaDepth { get; set; } = 32;

    /// <summary>The largest number of items or properties that a JSON schema counts. Default 10,000.</summary>
    [Range(1, 100_000)]
    public int MaxSchemaCount { get; set; } = 10_000;

    /// <summary>What an image may demand; checked before it is decoded.</summary>
    public ImageLimits Images { get; set; } = new();

    /// <summary>Whether images may be given by URL. Default no.</summary>
    [ValidateObjectMembers]
    public RemoteImageOptions RemoteImages { get; set; } = new();
}
