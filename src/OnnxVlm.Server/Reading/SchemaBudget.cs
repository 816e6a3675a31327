using System.Text;
using System.Text.Json;
using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Reading;

/// <summary>Limits for all JSON schemas of one request together. They are compiled to a grammar, which costs more than reading them.</summary>
/// <param name="limits">The service's limits.</param>
internal sealed class SchemaBudget(ServerOptions limits)
{
    // Each of these becomes the same number of rules in the grammar; the compiler needs a minute for a million.
    private static readonly string[] Counts = ["minItems", "maxItems", "minProperties", "maxProperties"];

    private int _bytesLeft = limits.MaxSchemaBytes;

    /// <summary>Checks a schema and counts it.</summary>
    /// <param name="param">The field.</param>
    /// <param name="schema">The schema.</param>
    /// <exception cref="ApiException">It is not an object, too large or too deep.</exception>
    public void Check(string param, JsonElement schema)
    {
        if (schema.ValueKind != JsonValueKind.Object)
            throw ApiException.Invalid(param, "expected a JSON schema, which is a JSON object.", "invalid_schema");
        _bytesLeft -= Encoding.UTF8.GetByteCount(schema.GetRawText());
        if (_bytesLeft < 0)
            throw ApiException.Invalid(param, $"the schemas of a request may have {limits.MaxSchemaBytes} bytes in all; send a smaller one.", "invalid_schema");
        if (DepthOf(schema) > limits.MaxSchemaDepth)
            throw ApiException.Invalid(param, $"a schema may be {limits.MaxSchemaDepth} levels deep; send a flatter one.", "invalid_schema");
        if (FindLargeCount(schema) is { } count)
            throw ApiException.Invalid(param, $"{count} may be {limits.MaxSchemaCount} at most; lower it or leave it out.", "invalid_schema");
    }

    // The reader has already refused anything too deep for this recursion.
    private static int DepthOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => 1 + value.EnumerateObject().Select(property => DepthOf(property.Value)).DefaultIfEmpty().Max(),
        JsonValueKind.Array => 1 + value.EnumerateArray().Select(DepthOf).DefaultIfEmpty().Max(),
        _ => 0,
    };

    private string? FindLargeCount(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject()
            .Select(property => Counts.Contains(property.Name) && property.Value.ValueKind == JsonValueKind.Number
                && !(property.Value.GetDouble() <= limits.MaxSchemaCount)
                    ? property.Name
                    : FindLargeCount(property.Value))
            .FirstOrDefault(found => found is not null),
        JsonValueKind.Array => value.EnumerateArray().Select(FindLargeCount).FirstOrDefault(found => found is not null),
        _ => null,
    };
}
