using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OnnxVlm.Server.Admission;

namespace OnnxVlm.Server.Reading;

/// <summary>The JSON body of a request. Its size is limited by Kestrel, its time and place in memory by <see cref="BodyGate"/>, its depth by <see cref="Wire.WireJson"/>.</summary>
internal static class RequestBody
{
    /// <summary>Reads the body.</summary>
    /// <typeparam name="T">Its form.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="form">How it is read.</param>
    /// <exception cref="ApiException">The media type is not JSON (415), or the body is not JSON of this form (400).</exception>
    public static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> form)
        where T : class
    {
        // A page of another origin can send text/plain without asking first, but not JSON.
        if (!context.Request.HasJsonContentType())
            throw new ApiException(StatusCodes.Status415UnsupportedMediaType, "The body must be JSON; send it with Content-Type: application/json.");
        byte[] body = await context.Features.Get<BodyReader>()!.ReadAsync().ConfigureAwait(false);
        try
        {
            return JsonSerializer.Deserialize(Readable(body), form)
                ?? throw ApiException.Invalid(null, "The body is null; send a JSON object.");
        }
        catch (JsonException e)
        {
            string? param = e.Path is { Length: > 2 } path ? path[2..] : null;
            string where = e.LineNumber is { } line ? $" (line {line + 1}, byte {e.BytePositionInLine + 1})" : "";
            throw new ApiException(StatusCodes.Status400BadRequest, $"{param ?? "The body"}: not JSON of the expected form{where}.", param, null, e);
        }
    }

    // The byte order mark that some programs write is not JSON.
    private static ReadOnlySpan<byte> Readable(byte[] body)
    {
        ReadOnlySpan<byte> json = JsonText.Mend(body);
        return json.StartsWith(Encoding.UTF8.Preamble) ? json[Encoding.UTF8.Preamble.Length..] : json;
    }

    /// <summary>Refuses fields that the service does not know, since it could not honour them.</summary>
    /// <param name="unknown">The fields.</param>
    /// <exception cref="ApiException">There is one.</exception>
    public static void RefuseUnknown(Dictionary<string, JsonElement>? unknown)
    {
        // Null is as good as absent.
        if (unknown?.FirstOrDefault(field => field.Value.ValueKind != JsonValueKind.Null).Key is not { } name)
            return;
        string shown = name.Length > 60 ? name[..60] + "…" : name;
        throw ApiException.Invalid(shown, "this field is not supported here; leave it out.", "unknown_parameter");
    }
}
