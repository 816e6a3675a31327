using System.Globalization;

namespace OnnxVlm.Server.Security;

/// <summary>The API key of a request.</summary>
/// <param name="Number">Its index in the options.</param>
internal sealed record ClientKey(int Number)
{
    /// <summary>The common scope of all keys.</summary>
    public const string SharedScope = "all";

    /// <summary>Answers of the same scope share what the model has read. A scope is one key, so that nobody can measure what others have asked.</summary>
    /// <param name="context">The request.</param>
    public static string ScopeOf(HttpContext context) => string.Create(CultureInfo.InvariantCulture, $"key {context.Features.Get<ClientKey>()?.Number ?? -1}");

    /// <summary>The key of <see cref="ClientOf"/>, whatever the address.</summary>
    /// <param name="client">Who asks.</param>
    public static string KeyOf(string client) => client[..client.IndexOf(' ', StringComparison.Ordinal)];

    /// <summary>The client, for the fair order of the queue: the key and the address.</summary>
    /// <param name="context">The request.</param>
    public static string ClientOf(HttpContext context) =>
        string.Create(CultureInfo.InvariantCulture, $"{context.Features.Get<ClientKey>()?.Number ?? -1} {context.Connection.RemoteIpAddress}");
}
