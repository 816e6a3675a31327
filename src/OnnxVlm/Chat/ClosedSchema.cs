using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxVlm.Chat;

/// <summary>
/// JSON Schema lets an object have keys that it does not name, and a model at liberty invents some. So where a schema names an object's keys and does not say
/// whether there are others, there are none here: what such an answer holds, the schema as it was written accepts too.
/// </summary>
internal static class ClosedSchema
{
    // Under these, a narrower part can make the whole wider, or impossible.
    private static readonly string[] Untouched = ["allOf", "oneOf", "not", "if", "dependentSchemas", "unevaluatedProperties"];

    /// <summary>Closes the objects of a schema.</summary>
    /// <param name="schema">The schema, a JSON object; not changed.</param>
    /// <exception cref="ArgumentException">The schema is not a JSON object.</exception>
    public static JsonObject Create(JsonElement schema)
    {
        if (schema.ValueKind != JsonValueKind.Object)
            throw new ArgumentException($"A JSON schema is a JSON object; found {schema.ValueKind}.", nameof(schema));
        string text = schema.GetRawText();
        JsonObject root = JsonNode.Parse(text)!.AsObject();
        if (!Array.Exists(Untouched, key => text.Contains($"\"{key}\"", StringComparison.Ordinal)))
            Close(root);
        return root;
    }

    private static void Close(JsonNode? node)
    {
        if (node is not JsonObject schema)
            return;
        JsonObject? properties = schema["properties"] as JsonObject;
        bool isWhole = !schema.ContainsKey("$ref") && !schema.ContainsKey("anyOf") && !schema.ContainsKey("patternProperties");
        if (properties is not null && isWhole)
            schema.TryAdd("additionalProperties", false);

        CloseAll(properties?.Select(property => property.Value));
        CloseAll((schema["$defs"] as JsonObject)?.Select(definition => definition.Value));
        CloseAll((schema["definitions"] as JsonObject)?.Select(definition => definition.Value));
        CloseAll(schema["prefixItems"] as JsonArray);
        Close(schema["items"]);
        Close(schema["additionalProperties"]);
        if (properties is null)
            CloseAll(schema["anyOf"] as JsonArray);
    }

    private static void CloseAll(IEnumerable<JsonNode?>? schemas)
    {
        foreach (JsonNode? schema in schemas ?? [])
            Close(schema);
    }
}
