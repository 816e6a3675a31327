using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;
using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Security;

/// <summary>
/// Requires the API key for every request, including addresses that do not exist, except for endpoints that declare otherwise (/health and the page).
/// Without configured keys it admits only requests that arrived at a loopback address.
/// </summary>
/// <param name="next">The rest of the pipeline.</param>
/// <param name="options">The keys.</param>
internal sealed class ApiKeyGate(RequestDelegate next, IOptions<ServerOptions> options)
{
    /// <summary>The longest API key, in characters.</summary>
    public const int MaxKeyLength = 512;

    // Digests all have the same length, so comparing them does not reveal the length of a key.
    private readonly byte[][] _digests = [.. options.Value.ApiKeys.Select(Digest)];

    public Task InvokeAsync(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is not null)
            return next(context);
        if (_digests.Length == 0)
        {
            if (context.Connection.LocalIpAddress is { } local && !IPAddress.IsLoopback(local.IsIPv4MappedToIPv6 ? local.MapToIPv4() : local))
                throw new ApiException(StatusCodes.Status403Forbidden, "This service has no API key and answers this machine only.", null, "loopback_only");
            return next(context);
        }
        string header = context.Request.Headers.Authorization.ToString();
        // Anthropic's clients send it by itself.
        string given = header.Length == 0
            ? context.Request.Headers["x-api-key"].ToString().Trim()
            : header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? header[7..].Trim() : "";
        int number = given.Length > MaxKeyLength ? -1 : Find(Digest(given));
        if (number < 0)
        {
            throw new ApiException(
                StatusCodes.Status401Unauthorized,
                given.Length == 0
                    ? "An API key is needed; send it as Authorization: Bearer KEY, or as x-api-key: KEY."
                    : "The API key is not known here.",
                null,
                "invalid_api_key");
        }
        context.Features.Set(new ClientKey(number));
        return next(context);
    }

    // Compares with every key, in constant time.
    private int Find(byte[] digest)
    {
        int found = -1;
        for (int i = 0; i < _digests.Length; i++)
        {
            if (CryptographicOperations.FixedTimeEquals(_digests[i], digest))
                found = i;
        }
        return found;
    }

    private static byte[] Digest(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
