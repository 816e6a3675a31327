using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxVlm.Schemas;

/// <summary>
/// The part of <see cref="GuidedSchema"/> for objects: each required key becomes a property, and rules for keys become properties or patterns.
/// </summary>
internal static class ObjectSchema
{
    private static readonly string[] Applicators = ["anyOf", "oneOf", "allOf", "$ref"];

    /// <summary>Simplifies what a schema says about objects.</summary>
    /// <param name="schema">The schema, changed.</param>
    /// <param name="path">Its path, for errors.</param>
    /// <param name="patterns">Checks patterns.</param>
    public static void Simplify(JsonObject schema, string path, PatternBudget patterns)
    {
        if (schema["unevaluatedProperties"] is { } unevaluated)
        {
            schema.Remove("unevaluatedProperties");
            if (!Array.Exists(Applicators, schema.ContainsKey))
                schema.TryAdd("additionalProperties", unevaluated);
            else if (!GuidedSchema.IsBoolean(unevaluated, true))
                throw GuidedSchema.Refused($"{path}.unevaluatedProperties", "it is not implemented beside anyOf, oneOf, allOf and $ref; leave it out");
        }
        SimplifyNames(schema, path, patterns);
        AddRequired(schema, path);
        foreach ((string pattern, _) in schema["patternProperties"] as JsonObject ?? [])
            patterns.Check($"{path}.patternProperties", pattern);
    }

    private static void SimplifyNames(JsonObject schema, string path, PatternBudget patterns)
    {
        JsonNode? names = schema["propertyNames"];
        schema.Remove("propertyNames");
        if (names is null || GuidedSchema.IsBoolean(names, true))
            return;
        if (names is not JsonObject rule)
            throw GuidedSchema.Refused($"{path}.propertyNames", "expected a schema");
        StringSchema.Simplify(rule, $"{path}.propertyNames", patterns);
        JsonNode values = schema["additionalProperties"]?.DeepClone() ?? JsonValue.Create(true);
        if ((rule["enum"] as JsonArray ?? (rule["const"] is { } only ? new JsonArray(only.DeepClone()) : null)) is { } keys)
        {
            JsonObject properties = schema["properties"] as JsonObject ?? [];
            schema["properties"] = properties;
            foreach (string key in keys.OfType<JsonValue>().Where(key => key.GetValueKind() == JsonValueKind.String).Select(key => (string)key!))
                properties.TryAdd(key, values.DeepClone());
            schema["additionalProperties"] = false;
            return;
        }
        string? pattern = (string?)rule["pattern"];
        if (pattern is null && (rule["minLength"] ?? rule["maxLength"]) is not null)
            pattern = $"^.{{{rule["minLength"]?.ToJsonString() ?? "0"},{rule["maxLength"]?.ToJsonString()}}}$";
        if (pattern is not null)
        {
            patterns.Check($"{path}.propertyNames", pattern);
            if (schema.ContainsKey("patternProperties"))
                throw GuidedSchema.Refused($"{path}.propertyNames", "it is not implemented beside patternProperties; leave one of the two out");
            schema["patternProperties"] = new JsonObject { [pattern] = values };
            schema["additionalProperties"] = false;
            return;
        }
        rule.Remove("type");
        if (rule.FirstOrDefault(property => property.Key is "not" or "anyOf" or "oneOf" or "allOf" or "$ref").Key is { } other)
            throw GuidedSchema.Refused($"{path}.propertyNames.{other}", "it is not implemented; give a pattern, an enum or lengths");
    }

    private static void AddRequired(JsonObject schema, string path)
    {
        if (!schema.ContainsKey("required"))
            return;
        // Draft 3 and some generators write it on the property itself.
        if (schema["required"]?.GetValueKind() is JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null)
        {
            schema.Remove("required");
            return;
        }
        if (schema["required"] is not JsonArray required || required.Any(key => key is not JsonValue value || value.GetValueKind() != JsonValueKind.String))
            throw GuidedSchema.Refused($"{path}.required", "expected an array of keys");
        if (schema["properties"] is not (null or JsonObject) || Array.Exists(Applicators, schema.ContainsKey) || schema.ContainsKey("patternProperties"))
            return;
        // Without properties a schema may be the part of another that has them; only what is false in itself is refused there.
        JsonObject? properties = schema["properties"] as JsonObject;
        JsonNode others = schema["additionalProperties"] ?? JsonValue.Create(true);
        foreach (string key in required.Select(key => (string)key!))
        {
            if (properties?.ContainsKey(key) == true)
                continue;
            if (GuidedSchema.IsBoolean(others, false))
                throw GuidedSchema.Refused(
                    $"{path}.required", $"the key \"{key}\" is required, but properties does not have it and additionalProperties is false");
            if (properties is not null)
                properties[key] = others.DeepClone();
        }
    }
}
