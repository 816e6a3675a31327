using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace OnnxVlm.Server.Endpoints;

/// <summary>Server-sent events as bytes.</summary>
internal static class ServerSentEvent
{
    private static readonly byte[] Data = "data: "u8.ToArray();
    private static readonly byte[] End = "\n\n"u8.ToArray();

    /// <summary>An event.</summary>
    /// <typeparam name="T">The form of its data.</typeparam>
    /// <param name="value">Its data.</param>
    /// <param name="form">Writes the data.</param>
    /// <param name="name">Its name; null for none.</param>
    public static byte[] Of<T>(T value, JsonTypeInfo<T> form, string? name = null) =>
        [.. name is null ? [] : Encoding.ASCII.GetBytes($"event: {name}\n"), .. Data, .. JsonSerializer.SerializeToUtf8Bytes(value, form), .. End];
}
