using System.Net;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Downloads;

/// <summary>
/// /v1/downloads: only where <see cref="ServerOptions.AllowDownloads"/> is on, and then for clients with an API key, or without keys for this machine.
/// Bodies are JSON and cancelling is DELETE, which
/// a page of another origin cannot send.
/// </summary>
/// <param name="downloads">Does it.</param>
/// <param name="requests">Reads bodies.</param>
/// <param name="options">Whether it is allowed.</param>
internal sealed class DownloadsEndpoint(ModelDownloads downloads, RequestReader requests, ServerOptions options)
{
    public DownloadStatus Status(HttpContext context) =>
        MayDownload(context) ? downloads.Status(KeyOf(context)) : new DownloadStatus(false, DownloadState.None);

    public async Task<DownloadPlan> PlanAsync(HttpContext context)
    {
        Require(context);
        PlanRequest request = await requests.ReadAsync(context, WireJson.Relaxed.PlanRequest).ConfigureAwait(false);
        return await downloads.PlanAsync(KeyOf(context), request.Model, context.RequestAborted).ConfigureAwait(false);
    }

    public async Task<DownloadStatus> StartAsync(HttpContext context)
    {
        Require(context);
        DownloadRequest request = await requests.ReadAsync(context, WireJson.Relaxed.DownloadRequest).ConfigureAwait(false);
        return downloads.Start(KeyOf(context), request.Plan);
    }

    public DownloadStatus Cancel(HttpContext context)
    {
        Require(context);
        return downloads.Cancel(KeyOf(context));
    }

    private void Require(HttpContext context)
    {
        if (!MayDownload(context))
        {
            throw new ApiException(
                StatusCodes.Status403Forbidden, "Models cannot be downloaded here; AllowDownloads is off, or this client is elsewhere and has no API key.", null, "downloads_not_allowed");
        }
    }

    private bool MayDownload(HttpContext context) => options.AllowDownloads
        && (context.Features.Get<ClientKey>() is not null || IsHere(context.Connection.RemoteIpAddress));

    private static bool IsHere(IPAddress? client) => client is not null && IPAddress.IsLoopback(client.IsIPv4MappedToIPv6 ? client.MapToIPv4() : client);

    private static string KeyOf(HttpContext context) => ClientKey.ScopeOf(context);
}
