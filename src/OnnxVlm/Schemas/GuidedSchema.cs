using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxVlm.Schemas;

/// <summary>
/// A JSON schema in the form that the grammar receives. Keys that say nothing about a value are left out, the forms of older drafts and of OpenAPI
/// are converted to the current draft, and some parts are made narrower. The schema as it was written still accepts every answer:
/// <list type="bullet">
/// <item>Where a schema names an object's keys and does not say whether there are others, there are none: an unconstrained model invents some.</item>
/// <item>A format becomes a pattern, see <see cref="StringFormats"/>; an unknown format says nothing, as in the standard. If there is also a pattern,
/// the pattern defines the text.</item>
/// <item>An integer without bounds is limited to the range that every JSON reader holds exactly, ±(2^53 − 1) (RFC 8259, section 6).</item>
/// </list>
/// What a grammar cannot enforce is refused with its path.
/// </summary>
internal sealed class GuidedSchema
{
    private const long LargestInteger = (1L << 53) - 1;

    private static readonly string[] Types = ["string", "number", "integer", "boolean", "null", "array", "object"];

    private static readonly string[] Annotations =
    [
        "$schema", "$comment", "$vocabulary", "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly",
        "contentMediaType", "contentSchema", "discriminator", "xml", "externalDocs",
    ];

    // Under these keys, a narrower part can make the whole wider, or impossible.
    private static readonly string[] LeftOpen = ["allOf", "oneOf"];

    private static readonly string[] NotImplemented =
        ["not", "if", "contains", "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedItems", "$dynamicRef", "$recursiveRef"];

    private static readonly string[] Joining = ["$ref", "anyOf", "oneOf"];
    private static readonly string[] Joined =
        ["pattern", "properties", "patternProperties", "additionalProperties", "items", "prefixItems", "minLength", "maxLength"];

    private readonly JsonObject _root;
    private readonly PatternBudget _patterns = new();
    private bool _closes = true;

    private GuidedSchema(JsonObject root) => _root = root;

    /// <summary>Prepares a schema.</summary>
    /// <param name="schema">The schema, a JSON object; not changed.</param>
    /// <param name="path">The name of the schema in errors.</param>
    /// <exception cref="ArgumentException">The schema is not a JSON object, or has something that a grammar cannot enforce; the message
    /// has the path.</exception>
    public static JsonObject Create(JsonElement schema, string path = "schema")
    {
        if (schema.ValueKind != JsonValueKind.Object)
            throw new ArgumentException($"{path}: a JSON schema is a JSON object; found {schema.ValueKind}.", nameof(schema));
        GuidedSchema guided = new(JsonNode.Parse(schema.GetRawText())!.AsObject());
        guided.Simplify(guided._root, path);
        if (guided._closes)
            Close(guided._root, closes: true);
        return guided._root;
    }

    private void Simplify(JsonNode? node, string path)
    {
        if (node is JsonValue value && value.GetValueKind() is JsonValueKind.True or JsonValueKind.False)
            return;
        if (node is not JsonObject schema)
            throw Refused(path, "expected a schema, which is an object, true or false");
        foreach (string name in Annotations)
            schema.Remove(name);
        foreach (string name in schema.Select(property => property.Key)
            .Where(name => name.StartsWith("x-", StringComparison.Ordinal) && (name != "x-guidance" || schema != _root)).ToArray())
            schema.Remove(name);
        RefuseUnimplemented(schema, path);
        if (schema.ContainsKey("allOf") || (Array.Exists(Joining, schema.ContainsKey) && Array.Exists(Joined, schema.ContainsKey)))
            _patterns.Join(path);
        SimplifyType(schema, path);
        SimplifyNumber(schema);
        StringSchema.Simplify(schema, path, _patterns);
        SimplifyArray(schema, path);
        ObjectSchema.Simplify(schema, path, _patterns);
        RefuseBrokenReference(schema, path);
        _closes &= !Array.Exists(LeftOpen, schema.ContainsKey);
        foreach ((JsonNode? part, string name) in Parts(schema, path).ToArray())
            Simplify(part, name);
    }

    /// <summary>The schemas that a schema is made of, with their paths.</summary>
    private static IEnumerable<(JsonNode? Schema, string Path)> Parts(JsonObject schema, string path)
    {
        foreach (string name in new[] { "properties", "patternProperties", "$defs", "definitions" })
        {
            if (!schema.ContainsKey(name))
                continue;
            if (schema[name] is not JsonObject parts)
                throw Refused($"{path}.{name}", "expected an object of schemas");
            foreach ((string key, JsonNode? part) in parts)
                yield return (part, $"{path}.{name}.{key}");
        }
        foreach (string name in new[] { "prefixItems", "anyOf", "oneOf", "allOf" })
        {
            if (!schema.ContainsKey(name))
                continue;
            if (schema[name] is not JsonArray parts || (parts.Count == 0 && name != "prefixItems"))
                throw Refused($"{path}.{name}", "expected an array of schemas");
            for (int i = 0; i < parts.Count; i++)
                yield return (parts[i], $"{path}.{name}[{i}]");
        }
        foreach (string name in new[] { "items", "additionalProperties" })
        {
            if (schema.ContainsKey(name))
                yield return (schema[name], $"{path}.{name}");
        }
    }

    private static void RefuseUnimplemented(JsonObject schema, string path)
    {
        if (!schema.ContainsKey("if"))
        {
            schema.Remove("then");
            schema.Remove("else");
        }
        if (!schema.ContainsKey("contains"))
        {
            schema.Remove("minContains");
            schema.Remove("maxContains");
        }
        if (IsBoolean(schema["not"], false))
            schema.Remove("not");
        if (IsBoolean(schema["unevaluatedItems"], true))
            schema.Remove("unevaluatedItems");
        if (Array.Find(NotImplemented, schema.ContainsKey) is not { } name)
            return;
        string why = name == "not" && IsBoolean(schema["not"], true)
            ? "it allows no value at all; a .NET type without a JSON form is described so"
            : "it is not implemented; say it in another way, or leave it out";
        throw Refused($"{path}.{name}", why);
    }

    private static void SimplifyType(JsonObject schema, string path)
    {
        string[] types = schema["type"] switch
        {
            null => [],
            JsonArray several => [.. several.Select(type => NameOf(type, path))],
            JsonNode one => [NameOf(one, path)],
        };
        bool isNullable = IsBoolean(schema["nullable"], true);
        schema.Remove("nullable");
        if (isNullable && types.Length > 0 && !types.Contains("null"))
            schema["type"] = new JsonArray([.. types.Append("null").Select(type => (JsonNode)JsonValue.Create(type))]);
        if (!schema.ContainsKey("enum"))
            return;
        if (schema["enum"] is not JsonArray { Count: > 0 } values)
            throw Refused($"{path}.enum", "expected an array with at least one value");
        if (isNullable && !values.Any(value => value is null))
            values.Add(null);
    }

    private static string NameOf(JsonNode? type, string path) =>
        type is JsonValue value && value.TryGetValue(out string? name) && Types.Contains(name)
            ? name
            : throw Refused($"{path}.type", $"expected {string.Join(", ", Types)}, found {type?.ToJsonString() ?? "null"}");

    private static void SimplifyNumber(JsonObject schema)
    {
        // Draft 4, and OpenAPI 3.0: these two are booleans, and the bound itself is under another key.
        foreach ((string exclusive, string bound) in new[] { ("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum") })
        {
            if (schema[exclusive]?.GetValueKind() is not (JsonValueKind.True or JsonValueKind.False))
                continue;
            bool isExclusive = IsBoolean(schema[exclusive], true);
            schema.Remove(exclusive);
            if (!isExclusive || schema[bound] is not { } number)
                continue;
            schema.Remove(bound);
            schema[exclusive] = number;
        }
        if (!HasType(schema, "integer") || HasType(schema, "number") || schema.ContainsKey("enum") || schema.ContainsKey("const"))
            return;
        double least = NumberOf(schema["minimum"] ?? schema["exclusiveMinimum"]), most = NumberOf(schema["maximum"] ?? schema["exclusiveMaximum"]);
        if (double.IsNaN(least) && !(most < -LargestInteger))
            schema["minimum"] = -LargestInteger;
        if (double.IsNaN(most) && !(least > LargestInteger))
            schema["maximum"] = LargestInteger;
    }

    private static void SimplifyArray(JsonObject schema, string path)
    {
        if (schema["items"] is JsonArray tuple)
        {
            schema.Remove("items");
            schema["prefixItems"] = tuple;
            JsonNode? rest = schema["additionalItems"];
            schema.Remove("additionalItems");
            if (rest is not null)
                schema["items"] = rest;
        }
        schema.Remove("additionalItems");
        if (IsBoolean(schema["uniqueItems"], true) && !(NumberOf(schema["maxItems"]) <= 1))
            MakeUnique(schema, path);
        schema.Remove("uniqueItems");
    }

    // A grammar has no memory of earlier items, so the values come in the schema's order.
    private static void MakeUnique(JsonObject schema, string path)
    {
        if (schema["items"]?["enum"] is not JsonArray values
            || values.Count > 12 || schema.ContainsKey("minItems") || schema.ContainsKey("maxItems") || schema.ContainsKey("prefixItems"))
            throw Refused($"{path}.uniqueItems", "it is not implemented but for items of an enum without counts; leave it out");
        List<JsonNode?> choices = [];
        for (int set = 0; set < 1 << values.Count && values.Count <= 6; set++)
            choices.Add(new JsonArray([.. values.Where((_, i) => (set >> i & 1) != 0).Select(value => value?.DeepClone())]));
        if (choices.Count == 0)
            throw Refused($"{path}.uniqueItems", "it is not implemented for more than 6 values; leave it out");
        foreach (string name in schema.Select(property => property.Key).ToArray())
            schema.Remove(name);
        schema["enum"] = new JsonArray([.. choices]);
    }

    private void RefuseBrokenReference(JsonObject schema, string path)
    {
        if (!schema.ContainsKey("$ref"))
            return;
        if (schema["$ref"] is not JsonValue value || !value.TryGetValue(out string? reference))
            throw Refused($"{path}.$ref", "expected a text");
        if (!reference.StartsWith('#'))
            throw Refused($"{path}.$ref", $"{Shorten(reference)} is outside the schema, and nothing is fetched");
        if (reference.Length > 1 && reference[1] != '/')
            return;
        JsonNode? target = _root;
        foreach (string step in reference.Split('/').Skip(1).Select(
            step => Uri.UnescapeDataString(step).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)))
        {
            target = target switch
            {
                JsonObject parts => parts[step],
                JsonArray parts when int.TryParse(step, out int i) && i >= 0 && i < parts.Count => parts[i],
                _ => null,
            };
        }
        if (target is null)
            throw Refused($"{path}.$ref", $"there is no {Shorten(reference)} in the schema");
    }

    private static void Close(JsonNode? node, bool closes)
    {
        if (node is not JsonObject schema)
            return;
        bool named = schema["properties"] is JsonObject;
        if (closes && named && !schema.ContainsKey("$ref") && !schema.ContainsKey("anyOf") && !schema.ContainsKey("patternProperties"))
            schema.TryAdd("additionalProperties", false);
        foreach ((JsonNode? part, string path) in Parts(schema, "").ToArray())
            Close(part, closes && !(named && path.StartsWith(".anyOf", StringComparison.Ordinal)));
    }

    /// <summary>An error of a schema.</summary>
    /// <param name="path">The place of the error.</param>
    /// <param name="why">What is wrong there.</param>
    public static ArgumentException Refused(string path, string why) => new($"{Shorten(path)}: {why}. It is part of a JSON schema.");

    /// <summary>Whether a value is the given boolean.</summary>
    /// <param name="node">The value, or null where there is none.</param>
    /// <param name="expected">The boolean.</param>
    public static bool IsBoolean(JsonNode? node, bool expected) => node?.GetValueKind() == (expected ? JsonValueKind.True : JsonValueKind.False);

    /// <summary>Whether a schema names a type.</summary>
    /// <param name="schema">The schema.</param>
    /// <param name="type">The type.</param>
    public static bool HasType(JsonObject schema, string type) => schema["type"] switch
    {
        JsonArray several => several.Any(one => (string?)one == type),
        JsonNode one => (string?)one == type,
        null => false,
    };

    private static double NumberOf(JsonNode? node) => node?.GetValueKind() == JsonValueKind.Number ? node.GetValue<double>() : double.NaN;

    private static string Shorten(string text) => text.Length > 200 ? text[..200] + "…" : text;
}
