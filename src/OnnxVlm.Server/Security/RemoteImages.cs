using System.Net;
using OnnxVlm.Server.Admission;
using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Security;

/// <summary>
/// Fetches images that requests name by URL, if that is enabled: https at its own port, public addresses, few redirects, limited size and time, no
/// proxy, cookies or credentials. The client gets the same error for every failure, so that it cannot probe a network; the log has the reason.
/// </summary>
internal sealed class RemoteImages : IDisposable
{
    private const int MaxConcurrent = 8;
    private const int MaxConcurrentOfClient = 2;
    private const int MaxUrlLength = 2048;

    private readonly ServerOptions _options;
    private readonly HttpMessageInvoker _http;
    private readonly ClientGate _slots;

    /// <summary>Fetches from the real network.</summary>
    /// <param name="options">The service's options.</param>
    public RemoteImages(ServerOptions options)
        : this(options, new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            MaxResponseHeadersLength = 16,
            ConnectCallback = (context, cancellationToken) => PublicConnector.Real.ConnectAsync(context.DnsEndPoint, cancellationToken),
        })
    {
    }

    internal RemoteImages(ServerOptions options, HttpMessageHandler handler)
    {
        _options = options;
        _slots = new ClientGate(MaxConcurrent, MaxConcurrentOfClient, options.MaxRunning + options.MaxWaiting);
        _http = new HttpMessageInvoker(handler);
    }

    /// <summary>Fetches an image.</summary>
    /// <param name="param">The part of the request.</param>
    /// <param name="url">The URL.</param>
    /// <param name="client">The client: its slow hosts delay only itself.</param>
    /// <param name="cancellationToken">Ends the attempt with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The bytes, whatever they are.</returns>
    /// <exception cref="ApiException">Fetching is off, or the image could not be fetched.</exception>
    public async Task<byte[]> FetchAsync(string param, string url, string client, CancellationToken cancellationToken)
    {
        if (!_options.RemoteImages.Enabled)
            throw ApiException.Invalid(param, "images are sent as data URIs (data:image/png;base64,…); this service fetches nothing.", "invalid_image_url");
        if (url.Length > MaxUrlLength)
            throw ApiException.Invalid(
                param, $"a URL may have {MaxUrlLength} characters, found {url.Length}; send the image as a data URI.", "invalid_image_url");
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(_options.RemoteImages.Timeout);
        try
        {
            using ClientGate.Pass slot = await _slots.EnterAsync(client, 1, Timeout.InfiniteTimeSpan, deadline.Token).ConfigureAwait(false);
            return await FollowAsync(url, deadline.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or UriFormatException or System.Net.Sockets.SocketException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new ApiException(
                StatusCodes.Status400BadRequest, $"{param}: the image could not be fetched; send it as a data URI.", param, "invalid_image_url", e);
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<byte[]> FollowAsync(string url, CancellationToken cancellationToken)
    {
        Uri target = Check(new Uri(url, UriKind.Absolute));
        for (int redirects = 0; redirects <= _options.RemoteImages.MaxRedirects; redirects++)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, target);
            using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken).ConfigureAwait(false);
            if (response.StatusCode is HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
                or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect)
            {
                Uri location = response.Headers.Location ?? throw new HttpRequestException("A redirect without a target.");
                target = Check(new Uri(target, location));
                continue;
            }
            if (response.StatusCode != HttpStatusCode.OK)
                throw new HttpRequestException($"Status {(int)response.StatusCode}.");
            return await ReadAsync(response.Content, cancellationToken).ConfigureAwait(false);
        }
        throw new HttpRequestException("Too many redirects.");
    }

    private Uri Check(Uri url)
    {
        if (url.Scheme != Uri.UriSchemeHttps || !url.IsDefaultPort || url.UserInfo.Length > 0)
            throw new HttpRequestException("Only https at port 443 without credentials.");
        List<string> hosts = _options.RemoteImages.Hosts;
        if (hosts.Count > 0 && !hosts.Contains(url.IdnHost, StringComparer.OrdinalIgnoreCase))
            throw new HttpRequestException("The host is not among RemoteImages.Hosts.");
        return url;
    }

    // The length that the other side declares is not trusted.
    private async Task<byte[]> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        using Stream stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        using MemoryStream bytes = new();
        byte[] buffer = new byte[64 << 10];
        while (await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and int count)
        {
            if (bytes.Length + count > _options.Images.MaxBytes)
                throw new HttpRequestException("Too large.");
            bytes.Write(buffer, 0, count);
        }
        return bytes.ToArray();
    }
}
