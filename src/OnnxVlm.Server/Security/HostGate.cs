using Microsoft.Extensions.Options;
using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Security;

/// <summary>
/// Without a key only this machine is served, and then a page that has its own name point to this machine must not get through either: the host that a request asks for must be a name of this machine.
/// </summary>
/// <param name="next">The rest of the pipeline.</param>
/// <param name="options">Whether there are keys.</param>
internal sealed class HostGate(RequestDelegate next, IOptions<ServerOptions> options)
{
    private static readonly string[] Hosts = ["localhost", "127.0.0.1", "[::1]"];

    private readonly bool _isOpen = options.Value.ApiKeys.Count > 0;

    public Task InvokeAsync(HttpContext context)
    {
        if (_isOpen || Hosts.Contains(context.Request.Host.Host, StringComparer.OrdinalIgnoreCase))
            return next(context);
        throw new ApiException(
            StatusCodes.Status400BadRequest,
            $"Without an API key this service answers to {string.Join(", ", Hosts)} only, and not to the host that the request names; ask for one of these (Host: localhost), or set a key ({ServerOptions.Section}__ApiKeys__0 in the environment).",
            null,
            "host_not_allowed");
    }
}
