using System.Text.Json;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Prompting;

/// <summary>The bytes of an image in a JSON message: OpenAI's <c>image_url</c>, or Hugging Face's <c>url</c>, <c>image</c>, <c>base64</c>.</summary>
internal static class ImageData
{
    private static readonly string[] Keys = ["image_url", "url", "image", "path", "base64"];

    /// <summary>Reads a part.</summary>
    /// <param name="part">A part of type image or image_url.</param>
    /// <returns>The encoded image; null where the part is only a placeholder.</returns>
    /// <exception cref="ArgumentException">The image is not given as a data: URI.</exception>
    public static ReadOnlyMemory<byte>? Of(JsonElement part)
    {
        foreach (string key in Keys)
        {
            if (!part.TryGetProperty(key, out JsonElement value))
                continue;
            if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("url", out JsonElement url))
                value = url;
            if (value.ValueKind != JsonValueKind.String)
                continue;
            string text = value.GetString()!;
            if (key == "base64")
                return Convert.TryFromBase64String(text, new byte[text.Length], out _) ? Convert.FromBase64String(text) : throw Unexpected(key, text);
            if (!text.StartsWith("data:", StringComparison.OrdinalIgnoreCase))
                throw Unexpected(key, text);
            try
            {
                return new DataContent(text).Data;
            }
            catch (Exception e) when (e is ArgumentException or FormatException)
            {
                throw Unexpected(key, text);
            }
        }
        return null;
    }

    private static ArgumentException Unexpected(string key, string found) =>
        new($"Nothing is fetched from the network or from files: {key}: " +
            $"expected a data: URI with the bytes of an image, found {(found.Length > 100 ? found[..100] + "…" : found)}.");
}
