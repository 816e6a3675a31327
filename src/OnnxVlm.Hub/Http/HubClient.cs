using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Reflection;

namespace OnnxVlm.Hub.Http;

/// <summary>
/// Sends single requests to the hub. .NET does not follow redirects here: it drops the token on every hop and would follow to any host. Compression
/// is never requested, since a compressed answer ignores the range. The token goes to the hub's own address and nowhere else. Thread-safe.
/// </summary>
internal sealed class HubClient : IDisposable
{
    private const int Retries = 5;

    private readonly ModelHubOptions _options;
    private readonly HttpClient _http;
    private readonly Func<TimeSpan, CancellationToken, Task> _delay;

    /// <param name="options">The hub, the token, the timeouts.</param>
    /// <param name="delay">Waits; null for real time.</param>
    public HubClient(ModelHubOptions options, Func<TimeSpan, CancellationToken, Task>? delay = null)
    {
        _options = options;
        _delay = delay ?? Task.Delay;
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(10),

            // Several connections share the work better than one with several streams.
            MaxConnectionsPerServer = 8,
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),

            // The rest of an unwanted answer is not read: the next request uses another connection.
            MaxResponseDrainSize = 64 << 10,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            DefaultRequestVersion = HttpVersion.Version11,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        string version = typeof(HubClient).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("onnxvlm", version));
        _http.DefaultRequestHeaders.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
    }

    /// <summary>Raised when a request has to wait: the reason, and how long.</summary>
    public event Action<string, TimeSpan>? Waiting;

    /// <summary>Whether an address is the hub's own.</summary>
    public bool IsHub(Uri address) =>
        Uri.Compare(address, _options.Endpoint, UriComponents.SchemeAndServer, UriFormat.SafeUnescaped, StringComparison.OrdinalIgnoreCase) == 0;

    /// <summary>Sends a request. Tries again when the hub answers that it is busy or broken, or does not answer.</summary>
    /// <param name="method">GET or HEAD.</param>
    /// <param name="address">The address.</param>
    /// <param name="range">Bytes asked for, first and last; null for all.</param>
    /// <param name="cancellationToken">Cancels the request.</param>
    /// <returns>An answer with any other status, without its body; the caller disposes it.</returns>
    /// <exception cref="ModelHubException">The hub did not answer, or stayed busy or broken after all tries; or the network may not be used.</exception>
    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, Uri address, (long First, long Last)? range, CancellationToken cancellationToken)
    {
        if (_options.IsOffline)
            throw new ModelHubException(ModelHubError.Offline,
                $"{address.Host} cannot be asked, since HF_HUB_OFFLINE is set; unset it, or name a model that is on this machine (onnxvlm list)");
        for (int attempt = 0; ; attempt++)
        {
            string problem;
            TimeSpan delay;
            try
            {
                HttpResponseMessage response = await SendOnceAsync(method, address, range, cancellationToken).ConfigureAwait(false);
                if (response.StatusCode is not (HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests) && (int)response.StatusCode < 500)
                    return response;
                using (response)
                {
                    bool isLimit = response.StatusCode == HttpStatusCode.TooManyRequests;
                    problem = isLimit ? "the hub asks for a pause (rate limit)" : $"the hub answers {(int)response.StatusCode}";
                    delay = RateLimit.Delay(response.Headers, attempt);
                    if (attempt >= Retries)
                    {
                        throw isLimit
                            ? new ModelHubException(ModelHubError.RateLimited,
                                $"{address.Host}: still refuses requests (429) after {Retries} pauses; try again later, or log in: set HF_TOKEN")
                            : new ModelHubException(
                                ModelHubError.Unreachable, $"{address.Host}: answers {(int)response.StatusCode} {response.ReasonPhrase}, " +
                                $"also after {Retries} tries; try again later{RequestId(response)}");
                    }
                }
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or TimeoutException)
            {
                problem = Describe(exception);
                delay = RateLimit.Backoff(attempt);
                if (attempt >= (range is null && IsHopeless(exception) ? 1 : Retries))
                    throw Unreachable(address, exception);
            }

            await WaitAsync(problem, delay, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Waits before another try, and reports that.</summary>
    public Task WaitAsync(string problem, TimeSpan delay, CancellationToken cancellationToken)
    {
        Waiting?.Invoke(problem, delay);
        return _delay(delay, cancellationToken);
    }

    /// <summary>The target of a redirect, within a host or to another one.</summary>
    /// <param name="from">The address of the request.</param>
    /// <param name="response">A redirect.</param>
    /// <exception cref="ModelHubException">The redirect has no target, or leads from a secure address to an insecure one.</exception>
    public static Uri Target(Uri from, HttpResponseMessage response)
    {
        Uri target = response.Headers.Location is Uri location
            ? new Uri(from, location)
            : throw new ModelHubException(ModelHubError.Other, $"{from.Host}: answers {(int)response.StatusCode} without saying where to; try again later");
        if (target.Scheme is not ("http" or "https") || (from.Scheme == "https" && target.Scheme == "http"))
            throw new ModelHubException(ModelHubError.Other, $"{from.Host}: sends from https to {target.Scheme}; check HF_ENDPOINT and your proxy");
        return target;
    }

    /// <summary>Whether an answer is a redirect.</summary>
    public static bool IsRedirect(HttpResponseMessage response) => (int)response.StatusCode is 301 or 302 or 303 or 307 or 308;

    /// <summary>The error for a request without an answer.</summary>
    public static ModelHubException Unreachable(Uri address, Exception exception) => new(
        ModelHubError.Unreachable, $"{address.Host}: cannot be reached ({Describe(exception)}); check the network, " +
        "HTTPS_PROXY and the firewall (hf.co and huggingface.co with what is below them), then run the same command again: it continues", exception);

    /// <summary>The innermost reason, in one line.</summary>
    public static string Describe(Exception exception) => exception switch
    {
        TimeoutException => exception.Message,
        { InnerException: Exception inner } => Describe(inner),
        _ => exception.Message.ReplaceLineEndings(" ").TrimEnd('.'),
    };

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendOnceAsync(HttpMethod method, Uri address, (long First, long Last)? range, CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = new(method, address);
        if (range is var (first, last))
            request.Headers.Range = new RangeHeaderValue(first, last);
        if (_options.Token is string token && IsHub(address))
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(range is null ? _options.MetadataTimeout : _options.DownloadTimeout);
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException("no answer in time", exception);
        }
    }

    /// <summary>
    /// An unknown name, or a refused connection, will not change within seconds, so there is no other try. A download that has begun waits nevertheless.
    /// </summary>
    private static bool IsHopeless(Exception exception) =>
        exception is HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError }
            || exception.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.NetworkUnreachable };

    private static string RequestId(HttpResponseMessage response) =>
        response.Headers.TryGetValues("X-Request-Id", out IEnumerable<string>? values) ? $" (request {values.First()})" : "";
}
