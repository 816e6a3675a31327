using System.Net;
using Microsoft.Extensions.Configuration;

namespace OnnxVlm.Server.Hosting;

/// <summary>The addresses where the service will listen, and whether anyone outside this machine could reach them.</summary>
internal static class ListenAddresses
{
    /// <summary>Where the service listens by default.</summary>
    public const string Default = "http://127.0.0.1:8080";

    /// <summary>Reads the addresses: the key <c>urls</c>, and Kestrel's own endpoints.</summary>
    /// <param name="configuration">The configuration.</param>
    public static IReadOnlyList<string> Read(IConfiguration configuration)
    {
        string[] endpoints = [.. configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(endpoint => endpoint["Url"] ?? "")];
        if (endpoints.Length > 0)
            return endpoints;
        string[] urls = (configuration["urls"] ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return urls.Length > 0 ? urls : [Default];
    }

    /// <summary>Refuses to listen where others could reach a service that requires no key.</summary>
    /// <param name="addresses">The addresses.</param>
    /// <exception cref="InvalidOperationException">An address is not of this machine alone.</exception>
    public static void RequireLoopback(IEnumerable<string> addresses)
    {
        foreach (string address in addresses)
        {
            if (!address.Contains("://", StringComparison.Ordinal))
                throw new InvalidOperationException(
                    $"{address} is no address to listen on; expected for example http://127.0.0.1:8080 (--urls), "
                    + "and for one that other machines reach an API key.");
            if (!IsLoopback(address))
                throw new InvalidOperationException(
                    $"{address} can be reached from other machines, and there is no API key; "
                    + $"set one (--api-key, or {ServerOptions.Section}__ApiKeys__0 in the environment), or listen on 127.0.0.1.");
        }
    }

    /// <summary>
    /// Whether an address is of this machine only: a loopback address, the name localhost, or a Unix socket. No other name is, nor is an
    /// address that cannot be parsed.
    /// </summary>
    /// <param name="address">A URL in Kestrel's form.</param>
    public static bool IsLoopback(string address)
    {
        BindingAddress binding;
        try
        {
            binding = BindingAddress.Parse(address);
        }
        catch (FormatException)
        {
            return false;
        }
        if (binding.IsUnixPipe)
            return true;
        string host = binding.Host.Trim('[', ']');
        return host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out IPAddress? ip) && IPAddress.IsLoopback(ip));
    }
}
