using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OnnxVlm.Server.Admission;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Telemetry;

namespace OnnxVlm.Server.Reading;

/// <summary>
/// Reads the JSON body of a request, and the parts of it whose form depends on their kind. Kestrel limits its size, <see cref="BodyGate"/> its time and place
/// in memory, and <see cref="Wire.WireJson"/> its depth. Fields that the service does not know are refused or ignored, depending on the options.
/// </summary>
/// <param name="options">How unknown fields are treated.</param>
/// <param name="log">Records those that are ignored.</param>
internal sealed class RequestReader(ServerOptions options, RequestLog log)
{
    // Objects in memory are many times as large as `{},` in a body; no request that means something has so many.
    private const int MaxValues = 1_000_000;

    // A key that stands twice is refused by who reads it, who knows its path.
    private static readonly JsonDocumentOptions Bounded = new() { MaxDepth = 64 };

    /// <summary>Reads the body.</summary>
    /// <typeparam name="T">Its form.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="form">How it is read.</param>
    /// <exception cref="ApiException">The media type is not JSON (415), or the body is not JSON of this form (400).</exception>
    public async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> form)
        where T : class
    {
        // A page of another origin can send text/plain without asking first, but not JSON.
        if (!context.Request.HasJsonContentType())
            throw ApiException.NotJson();
        ReadOnlyMemory<byte> body = Readable(await context.Features.Get<BodyReader>()!.ReadAsync().ConfigureAwait(false));
        try
        {
            CountValues(body.Span);
            using JsonDocument document = JsonDocument.Parse(body, Bounded);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw ApiException.Invalid(null, "The body is not a JSON object; send one.");
            return Read("", document.RootElement, form);
        }
        catch (JsonException e)
        {
            string where = e.LineNumber is { } line ? $" (line {line + 1}, byte {e.BytePositionInLine + 1})" : "";
            throw new ApiException(StatusCodes.Status400BadRequest, $"The body: not JSON{where}.", null, null, e);
        }
    }

    /// <summary>Reads a part of a request.</summary>
    /// <typeparam name="T">Its form.</typeparam>
    /// <param name="param">Where it stands in the request.</param>
    /// <param name="part">The part.</param>
    /// <param name="form">How it is read.</param>
    /// <exception cref="ApiException">It is not an object of this form.</exception>
    public T ReadPart<T>(string param, JsonElement part, JsonTypeInfo<T> form)
        where T : class => part.ValueKind == JsonValueKind.Object ? Read(param, part, form) : throw ApiException.Invalid(param, "expected a JSON object.");

    /// <summary>The <c>type</c> of a part, which determines its form.</summary>
    /// <param name="param">Where it stands in the request.</param>
    /// <param name="part">The part.</param>
    /// <exception cref="ApiException">It has none.</exception>
    public static string KindOf(string param, JsonElement part) =>
        part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String
            ? type.GetString()!
            : throw ApiException.Invalid(param, "expected a part with a type.");

    private T Read<T>(string param, JsonElement value, JsonTypeInfo<T> form)
        where T : class
    {
        foreach (string path in UnknownFields.Find(param, value, form))
        {
            if (options.UnknownFields == UnknownFieldPolicy.Refuse)
                throw ApiException.Invalid(path, "this field is not supported here; leave it out.", "unknown_parameter");
            log.Ignored(path);
        }
        try
        {
            return value.Deserialize(form)!;
        }
        catch (JsonException e)
        {
            string? path = e.Path is { Length: > 2 } inside ? inside[2..] : null;
            string? where = param.Length == 0 ? path : path is null ? param : $"{param}.{path}";
            throw new ApiException(StatusCodes.Status400BadRequest, $"{where ?? "The body"}: not JSON of the expected form.", where, null, e);
        }
    }

    private static void CountValues(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = Bounded.MaxDepth });
        for (int count = 0; reader.Read(); count++)
        {
            if (count > MaxValues)
                throw ApiException.Invalid(null, $"The body has more than {MaxValues} values; send a smaller one.");
        }
    }

    // The byte order mark that some programs write is not JSON.
    private static ReadOnlyMemory<byte> Readable(byte[] body)
    {
        ReadOnlyMemory<byte> json = JsonText.Mend(body);
        return json.Span.StartsWith(Encoding.UTF8.Preamble) ? json[Encoding.UTF8.Preamble.Length..] : json;
    }
}
