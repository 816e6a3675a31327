using System.Globalization;

namespace OnnxVlm.Server.Security;

/// <summary>Which API key a request has.</summary>
/// <param name="Number">Its place in the options.</param>
internal sealed record ClientKey(int Number)
{
    /// <summary>Who asks, for the fair order of the queue: the key and the address.</summary>
    /// <param name="context">The request.</param>
    public static string ClientOf(HttpContext context) =>
        string.Create(CultureInfo.InvariantCulture, $"{context.Features.Get<ClientKey>()?.Number ?? -1} {context.Connection.RemoteIpAddress}");
}
