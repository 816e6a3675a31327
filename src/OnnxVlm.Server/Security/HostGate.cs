using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Security;

/// <summary>
/// Checks the host of a request. Without a key only this machine is served, and then a web page whose own name resolves to this machine must not get
/// through either: the host must be a name of this machine, or one of ASP.NET Core's <c>AllowedHosts</c>. With a key every host is served, unless
/// <c>AllowedHosts</c> lists some.
/// </summary>
/// <param name="next">The rest of the pipeline.</param>
/// <param name="options">Whether there are keys.</param>
/// <param name="configuration">Contains <c>AllowedHosts</c>: names separated by semicolons, <c>*.example.org</c> for subdomains.</param>
internal sealed class HostGate(RequestDelegate next, IOptions<ServerOptions> options, IConfiguration configuration)
{
    private static readonly string[] OwnNames = ["localhost", "127.0.0.1", "[::1]"];

    private readonly bool _hasKeys = options.Value.ApiKeys.Count > 0;
    private readonly string[] _named =
    [
        .. (configuration["AllowedHosts"] ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Where(name => name != "*"),
    ];

    public Task InvokeAsync(HttpContext context)
    {
        string host = context.Request.Host.Host;
        if ((_hasKeys && _named.Length == 0) || OwnNames.Contains(host, StringComparer.OrdinalIgnoreCase) || Array.Exists(_named, name => Matches(name, host)))
            return next(context);
        string names = string.Join(", ", OwnNames.Concat(_named));
        throw new ApiException(
            StatusCodes.Status400BadRequest,
            _hasKeys
                ? $"This service answers to {names} only, and not to the host that the request names; ask for one of these, or add it to AllowedHosts."
                : $"Without an API key this service answers to {names} only, and not to the host that the request names; ask for one of these "
                    + $"(Host: localhost), add it to AllowedHosts, or set a key ({ServerOptions.Section}__ApiKeys__0 in the environment).",
            null,
            "host_not_allowed");
    }

    private static bool Matches(string name, string host) =>
        name.StartsWith("*.", StringComparison.Ordinal)
            ? host.Length > name.Length - 1 && host.EndsWith(name[1..], StringComparison.OrdinalIgnoreCase)
            : host.Equals(name, StringComparison.OrdinalIgnoreCase);
}
