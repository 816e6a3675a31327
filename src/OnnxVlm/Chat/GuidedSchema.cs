using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxVlm.Chat;

/// <summary>
/// A JSON schema as the grammar gets it, made narrower in two ways; the schema as it was written accepts every answer all the same.
/// JSON Schema lets an object have keys that it does not name, and a model at liberty invents some: where a schema names an object's keys and does not say
/// whether there are others, there are none here. And llguidance does not know the format <c>uri</c>, .NET's for <see cref="Uri"/>: it becomes a pattern.
/// </summary>
internal static class GuidedSchema
{
    // Under these, a narrower part can make the whole wider, or impossible.
    private static readonly string[] LeftOpen = ["allOf", "oneOf", "not", "if", "dependentSchemas", "unevaluatedProperties"];

    // RFC 3986: a scheme, then the characters of a URI.
    private const string UriPattern = @"^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+$";

    /// <summary>Prepares a schema.</summary>
    /// <param name="schema">The schema, a JSON object; not changed.</param>
    /// <exception cref="ArgumentException">The schema is not a JSON object.</exception>
    public static JsonObject Create(JsonElement schema)
    {
        if (schema.ValueKind != JsonValueKind.Object)
            throw new ArgumentException($"A JSON schema is a JSON object; found {schema.ValueKind}.", nameof(schema));
        string text = schema.GetRawText();
        JsonObject root = JsonNode.Parse(text)!.AsObject();
        Prepare(root, closes: !Array.Exists(LeftOpen, key => text.Contains($"\"{key}\"", StringComparison.Ordinal)));
        return root;
    }

    private static void Prepare(JsonNode? node, bool closes)
    {
        if (node is not JsonObject schema)
            return;
        JsonObject? properties = schema["properties"] as JsonObject;
        bool isWhole = !schema.ContainsKey("$ref") && !schema.ContainsKey("anyOf") && !schema.ContainsKey("patternProperties");
        if (closes && properties is not null && isWhole)
            schema.TryAdd("additionalProperties", false);
        if (schema["format"] is JsonValue format && format.TryGetValue(out string? name) && name == "uri")
        {
            schema.Remove("format");
            schema.TryAdd("pattern", UriPattern);
        }

        PrepareAll(properties?.Select(property => property.Value), closes);
        PrepareAll((schema["$defs"] as JsonObject)?.Select(definition => definition.Value), closes);
        PrepareAll((schema["definitions"] as JsonObject)?.Select(definition => definition.Value), closes);
        PrepareAll(schema["prefixItems"] as JsonArray, closes);
        PrepareAll(schema["anyOf"] as JsonArray, closes && properties is null);
        Prepare(schema["items"], closes);
        Prepare(schema["additionalProperties"], closes);
    }

    private static void PrepareAll(IEnumerable<JsonNode?>? schemas, bool closes)
    {
        foreach (JsonNode? schema in schemas ?? [])
            Prepare(schema, closes);
    }
}
