using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OnnxVlm.Schemas;

namespace OnnxVlm.Chat.Tools;

/// <summary>
/// What the schema of a function says about each single parameter, for a notation in which a value is text or JSON depending on its schema. Immutable.
/// </summary>
internal sealed class XmlParameters
{
    private static readonly string[] AllTypes = ["string", "number", "integer", "boolean", "null", "array", "object"];

    private readonly JsonObject _root;
    private readonly JsonObject _properties;

    private XmlParameters(JsonObject root)
    {
        _root = root;
        _properties = root["properties"] as JsonObject ?? Resolve(root) ["properties"] as JsonObject ?? [];
        HashSet<string> required = [.. ((root["required"] ?? Resolve(root)["required"]) as JsonArray ?? []).Select(key => (string)key!)];
        Keys = [.. _properties.Select(property => (property.Key, required.Contains(property.Key)))];
        JsonNode? others = root["additionalProperties"] ?? Resolve(root)["additionalProperties"];
        IsOpen = others is null ? _properties.Count == 0 : !GuidedSchema.IsBoolean(others, false);
    }

    /// <summary>The named parameters in order, and whether each is required.</summary>
    public IReadOnlyList<(string Key, bool IsRequired)> Keys { get; }

    /// <summary>Whether there may be others.</summary>
    public bool IsOpen { get; }

    /// <summary>Reads the parameters of a function.</summary>
    /// <param name="function">The function.</param>
    /// <exception cref="ArgumentException">The schema cannot be followed; the message has the path.</exception>
    public static XmlParameters Of(AIFunctionDeclaration function) => new(FunctionSchema.Create(function));

    /// <summary>The schema of a parameter; null for an undescribed one.</summary>
    /// <param name="key">Its name.</param>
    public JsonObject? SchemaOf(string key) => _properties[key] is JsonObject schema ? Resolve(schema) : null;

    /// <summary>Whether each value is a text.</summary>
    /// <param name="key">The parameter's name.</param>
    public bool IsText(string key) => TypesOf(SchemaOf(key), 0) is ["string"];

    /// <summary>Whether a value may be a text, among other kinds or without a rule of its own.</summary>
    /// <param name="key">The parameter's name.</param>
    public bool IsFreeText(string key)
    {
        string[] types = TypesOf(SchemaOf(key), 0);
        return types.Contains("string") && LiteralsOf(key) is null
            && (types.Length > 1 || SchemaOf(key) is not { } schema
                || !(schema.ContainsKey("pattern") || schema.ContainsKey("minLength") || schema.ContainsKey("maxLength")));
    }

    /// <summary>Whether a value is true or false.</summary>
    /// <param name="key">The parameter's name.</param>
    public bool IsBoolean(string key) => TypesOf(SchemaOf(key), 0) is ["boolean"];

    /// <summary>The values of an enum or a constant as they are written; null for other schemas.</summary>
    /// <param name="key">The parameter's name.</param>
    public IReadOnlyList<string>? LiteralsOf(string key)
    {
        JsonNode?[]? values = SchemaOf(key) switch
        {
            { } schema when schema.ContainsKey("const") => [schema["const"]],
            { } schema when schema["enum"] is JsonArray several => [.. several],
            _ => null,
        };
        return values is null ? null : [.. values.Select(
            value => value?.GetValueKind() == JsonValueKind.String
                ? (string)value!
                : value is null ? "null" : SpacedJson.Write(JsonElement.Parse(value.ToJsonString())))];
    }

    /// <summary>The schema of a parameter as a document of its own, in the spacing of <see cref="SpacedJson"/>.</summary>
    /// <param name="key">The parameter's name.</param>
    public string JsonSchemaOf(string key)
    {
        JsonObject root = _root.DeepClone().AsObject();
        root.Remove("x-guidance");
        JsonObject schema = _properties[key]!.DeepClone().AsObject();
        foreach (JsonObject node in new[] { root, schema })
            MoveReferences(node);
        if (schema.ToJsonString().Contains("\"$ref\"", StringComparison.Ordinal))
            schema["$defs"] = new JsonObject { ["root"] = root };
        schema["x-guidance"] = SpacedJson.Spacing();
        return schema.ToJsonString();
    }

    /// <summary>Parses a value.</summary>
    /// <param name="key">The parameter's name.</param>
    /// <param name="text">The text.</param>
    /// <returns>The value as JSON.</returns>
    public string ToJson(string key, string text)
    {
        string[] types = SchemaOf(key) is { } schema && LiteralsOf(key) is not null
            ? [.. (schema.ContainsKey("const") ? [schema["const"]] : schema["enum"]!.AsArray().ToArray()).Select(KindOf).Distinct()]
            : _properties.ContainsKey(key) ? TypesOf(SchemaOf(key), 0) : AllTypes;
        string word = text switch
        {
            "True" => "true",
            "False" => "false",
            "None" => "null",
            _ => text,
        };
        if (types is ["string"] || !TryParse(word, out JsonElement value) || !types.Contains(KindOf(value)))
            return types.Contains("string") || !TryParse(word, out _) ? SpacedJson.Quote(text) : word;
        return word;
    }

    private static string KindOf(JsonNode? node) => node is null ? "null" : KindOf(JsonElement.Parse(node.ToJsonString()));

    private static string KindOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => "string",
        JsonValueKind.Number => value.TryGetDouble(out double number) && number % 1 == 0 ? "integer" : "number",
        JsonValueKind.True or JsonValueKind.False => "boolean",
        JsonValueKind.Null => "null",
        JsonValueKind.Array => "array",
        _ => "object",
    };

    private static bool TryParse(string text, out JsonElement value)
    {
        value = default;
        try
        {
            value = JsonElement.Parse(text);
            return value.ValueKind != JsonValueKind.String;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private string[] TypesOf(JsonObject? schema, int depth)
    {
        if (schema is null || depth > 8)
            return AllTypes;
        schema = Resolve(schema);
        if (schema["type"] is JsonArray several)
            return [.. several.Select(type => (string)type!).SelectMany(WithInteger)];
        if (schema["type"] is JsonNode one)
            return [.. WithInteger((string)one!)];
        if (schema["anyOf"] is JsonArray || schema["oneOf"] is JsonArray)
            return [.. ((schema["anyOf"] ?? schema["oneOf"])!.AsArray()).SelectMany(part => TypesOf(part as JsonObject, depth + 1)).Distinct()];
        if (schema["allOf"] is JsonArray all)
            return all.Select(part => TypesOf(part as JsonObject, depth + 1)).MinBy(types => types.Length) ?? AllTypes;
        return schema.ContainsKey("properties") ? ["object"] : schema.ContainsKey("items") ? ["array"] : AllTypes;

        static string[] WithInteger(string type) => type == "number" ? ["number", "integer"] : [type];
    }

    private JsonObject Resolve(JsonObject schema)
    {
        for (int i = 0; i < 16 && schema["$ref"] is JsonValue reference; i++)
        {
            JsonNode? target = _root;
            foreach (string step in ((string)reference!).Split('/').Skip(1).Select(
                step => Uri.UnescapeDataString(step).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)))
                target = target is JsonArray parts ? parts[int.Parse(step, System.Globalization.CultureInfo.InvariantCulture)] : target?[step];
            schema = target as JsonObject ?? [];
        }
        return schema;
    }

    // References point into the function's schema, which is now a definition.
    private static void MoveReferences(JsonNode? node)
    {
        if (node is JsonArray parts)
        {
            foreach (JsonNode? part in parts)
                MoveReferences(part);
        }
        if (node is not JsonObject schema)
            return;
        if (schema["$ref"] is JsonValue reference && reference.TryGetValue(out string? text) && text.StartsWith('#'))
            schema["$ref"] = "#/$defs/root" + text[1..];
        foreach ((_, JsonNode? value) in schema.ToArray())
            MoveReferences(value);
    }
}
