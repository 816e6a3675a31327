using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxVlm.Schemas;

namespace OnnxVlm.Chat.Tools;

/// <summary>
/// Rules of llguidance's Lark for values in Gemma 4's notation, made from prepared JSON schemas: bare keys in the order of the template (by lower
/// case), texts without escapes between quote tokens, and everything else as JSON without blanks.
/// </summary>
/// <param name="quote">The token around a text.</param>
internal sealed class GemmaValueGrammar(int quote)
{
    private const string Any = "any";
    private const string AnyNested = $$"""
        "[" ({{Any}} ("," {{Any}})*)? "]" | "{" (any_entry ("," any_entry)*)? "}"
        """;
    private const int MaxRules = 50_000;

    private readonly StringBuilder _rules = new();
    private readonly Dictionary<string, string> _references = new(StringComparer.Ordinal);
    private JsonObject _root = [];
    private int _functions;
    private int _count;
    private bool _usesAny;

    /// <summary>The rules needed so far.</summary>
    public string Rules => _rules + (_usesAny ? AnyRules() : "");

    /// <summary>The rule of a function's arguments.</summary>
    /// <param name="schema">Their schema, as <see cref="FunctionSchema"/> prepares it.</param>
    /// <param name="path">Its path, for errors.</param>
    /// <returns>The rule's name.</returns>
    /// <exception cref="ArgumentException">The schema says what these rules cannot; the message has the path.</exception>
    public string Arguments(JsonObject schema, string path)
    {
        _root = schema;
        _references.Clear();
        _functions++;
        return Value(schema, path);
    }

    private string Value(JsonNode? node, string path)
    {
        if (node is not JsonObject schema || schema.Count == 0 || schema.All(property => property.Key is "$defs" or "definitions" or "x-guidance"))
        {
            if (GuidedSchema.IsBoolean(node, false))
                throw GuidedSchema.Refused(path, "it allows no value");
            _usesAny = true;
            return Any;
        }
        if (schema["$ref"] is { } reference)
            return Reference(schema, (string)reference!, path);
        if (schema["allOf"] is JsonArray all)
            return Value(all.Aggregate(Without(schema, "allOf"), (merged, part) => Merge(merged, part, path)), path);
        if ((schema["anyOf"] ?? schema["oneOf"]) is JsonArray choices)
            return Rule(string.Join(" | ", choices.Select((choice, i) => Value(Merge(Without(schema, "anyOf", "oneOf"), choice, path), $"{path}.anyOf[{i}]"))));
        if (schema["const"] is not null || schema.ContainsKey("const"))
            return Rule(Literal(schema["const"]));
        if (schema["enum"] is JsonArray values)
            return Rule(string.Join(" | ", values.Where(value => !schema.ContainsKey("type") || IsOfType(schema, value)).Select(Literal)));
        string[] types = schema["type"] switch
        {
            JsonArray several => [.. several.Select(type => (string)type!)],
            JsonNode one => [(string)one!],
            null => schema.ContainsKey("properties") ? ["object"]
                : schema.ContainsKey("items") || schema.ContainsKey("prefixItems") ? ["array"]
                : schema.ContainsKey("pattern") ? ["string"]
                : [],
        };
        if (types.Length == 0)
        {
            _usesAny = true;
            return Any;
        }
        return types.Length == 1 ? OfType(types[0], schema, path) : Rule(string.Join(" | ", types.Select(type => OfType(type, schema, path))));
    }

    private string OfType(string type, JsonObject schema, string path) => type switch
    {
        "string" => Rule(Text(schema)),
        "integer" or "number" => Rule($"%json {Number(type, schema)}"),
        "boolean" => Rule("\"true\" | \"false\""),
        "null" => Rule("\"null\""),
        "array" => Array(schema, path),
        _ => Object(schema, path),
    };

    // Two functions may have definitions with the same name.
    private string Reference(JsonObject schema, string reference, string path)
    {
        JsonObject siblings = Without(schema, "$ref", "$defs", "definitions", "x-guidance");
        JsonNode? target = Resolve(reference);
        if (siblings.Count > 0)
            return Value(Merge(siblings, target, path), path);
        if (_references.TryGetValue(reference, out string? known))
            return known;
        string name = $"ref{_functions}_{_references.Count}";
        _references[reference] = name;
        // A Lark rule cannot be just another name, so the target is in a group of its own.
        string rule = Value(target, path);
        Add(name, rule);
        return name;
    }

    private JsonNode? Resolve(string reference)
    {
        JsonNode? target = _root;
        foreach (string step in reference.Split('/').Skip(1).Select(
            step => Uri.UnescapeDataString(step).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)))
            target = target is JsonArray parts ? parts[int.Parse(step, System.Globalization.CultureInfo.InvariantCulture)] : target?[step];
        return target;
    }

    private string Text(JsonObject schema)
    {
        string? pattern = (string?)schema["pattern"];
        long least = LengthOf(schema["minLength"]) ?? 0;
        long? most = LengthOf(schema["maxLength"]);
        string body;
        if (pattern is null && least == 0 && most is null)
            body = "TEXT_VALUE?";
        else
        {
            string length = least == 0 && most is null ? "" : $"/(?s:.){{{least},{most}}}/";
            string terminal = pattern is null ? length : $"{LarkRegex.Of(pattern)}{(length.Length > 0 ? " & " + length : "")}";
            body = Terminal(terminal);
        }
        _usesAny = true;
        return $"<[{quote}]> {body} <[{quote}]>";
    }

    private static string Number(string type, JsonObject schema)
    {
        JsonObject number = new() { ["type"] = type };
        foreach (string name in new[] { "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf" })
        {
            if (schema[name] is { } bound)
                number[name] = bound.DeepClone();
        }
        return number.ToJsonString();
    }

    private string Array(JsonObject schema, string path)
    {
        JsonArray first = schema["prefixItems"] as JsonArray ?? [];
        long least = LengthOf(schema["minItems"]) ?? 0, most = LengthOf(schema["maxItems"]) ?? long.MaxValue;
        bool hasMore = !GuidedSchema.IsBoolean(schema["items"], false) && most > first.Count;
        string more = hasMore ? Value(schema["items"], $"{path}.items") : "";
        string Count(long written) => $"{{{Math.Max(0, least - written)},{(most == long.MaxValue ? "" : most - written)}}}";
        if (first.Count == 0)
        {
            if (!hasMore)
                return Rule("\"[]\"");
            string items = $"{more} (\",\" {more}){(least <= 1 && most == long.MaxValue ? "*" : Count(1))}";
            return Rule(least == 0 ? $"\"[\" ({items})? \"]\"" : $"\"[\" {items} \"]\"");
        }
        string tail = hasMore ? $"(\",\" {more}){Count(first.Count)}" : "";
        for (int i = (int)Math.Min(first.Count, most) - 1; i >= 0; i--)
        {
            string item = $"{(i > 0 ? "\",\" " : "")}{Value(first[i], $"{path}.prefixItems[{i}]")} {tail}";
            tail = i < least ? item : $"({item})?";
        }
        return Rule($"\"[\" {tail} \"]\"");
    }

    private string Object(JsonObject schema, string path)
    {
        if ((schema.ContainsKey("minProperties") || schema.ContainsKey("maxProperties")) && schema["properties"] is JsonObject { Count: > 0 })
            throw GuidedSchema.Refused($"{path}.minProperties", "a count of properties is not implemented beside properties; leave it out");
        HashSet<string> required = [.. (schema["required"] as JsonArray ?? []).Select(key => (string)key!)];
        (string Key, string Rule, bool IsRequired)[] entries =
        [
            .. (schema["properties"] as JsonObject ?? []).Select(property => property.Key).OrderBy(key => key.ToLowerInvariant(), StringComparer.Ordinal)
                .Select(key => (key, $"{Key(key)} {Value(schema["properties"]![key], $"{path}.properties.{key}")}", required.Contains(key))),
        ];
        string more = MoreEntries(schema, path, [.. entries.Select(entry => entry.Key)]);
        string count = schema.ContainsKey("minProperties") || schema.ContainsKey("maxProperties")
            ? $"{{{Math.Max(0, (LengthOf(schema["minProperties"]) ?? 0) - 1)},"
                + $"{(LengthOf(schema["maxProperties"]) is { } most ? Math.Max(0, most - 1) : "")}}}"
            : "*";

        // What follows after something has been written, and what may come first.
        string rest = more.Length == 0 ? "" : Rule($"(\",\" {more}){(entries.Length == 0 ? count : "*")}");
        string first = more.Length == 0 ? "" : $"({more} {rest}){((LengthOf(schema["minProperties"]) ?? 0) > 0 ? "" : "?")}";
        for (int i = entries.Length - 1; i >= 0; i--)
        {
            (_, string entry, bool isRequired) = entries[i];
            string next = rest.Length == 0 ? entry : $"{entry} {rest}";
            first = isRequired ? Rule(next) : Rule(first.Length == 0 ? $"({next})?" : $"{next} | {first}");
            rest = Rule(isRequired ? $"\",\" {next}" : $"(\",\" {entry})? {rest}".TrimEnd());
        }
        return Rule($"\"{{\" {first} \"}}\"");
    }

    private string MoreEntries(JsonObject schema, string path, string[] known)
    {
        List<string> entries = [];
        foreach ((string pattern, JsonNode? value) in schema["patternProperties"] as JsonObject ?? [])
            entries.Add($"{Terminal($"{LarkRegex.Of(pattern)} & /[^:,{{}}\\[\\]\"]+/")} \":\" {Value(value, $"{path}.patternProperties.{pattern}")}");
        bool isOpen = schema.ContainsKey("additionalProperties") ? !GuidedSchema.IsBoolean(schema["additionalProperties"], false) : entries.Count == 0;
        if (isOpen)
        {
            string key = Terminal(known.Length == 0
                ? "/[\\p{L}\\p{N}_]+/"
                : $"/[\\p{{L}}\\p{{N}}_]+/ & ~({string.Join(" | ", known.Select(SpacedJson.Quote))})");
            entries.Add($"{key} \":\" {Value(schema["additionalProperties"], $"{path}.additionalProperties")}");
        }
        return entries.Count == 0 ? "" : Rule(string.Join(" | ", entries));
    }

    private static readonly SearchValues<char> Notation = SearchValues.Create(":,{}[]\"\n");

    private static readonly string[] TypeNames = ["string", "number", "integer", "boolean", "null", "array", "object"];

    // A key that contains a character of the notation cannot be bare.
    private string Key(string key) =>
        key.Length > 0 && key.AsSpan().IndexOfAny(Notation) < 0 && key.Trim().Length == key.Length
            ? SpacedJson.Quote(key + ":")
            : $"<[{quote}]> {(key.Length > 0 ? SpacedJson.Quote(key) + " " : "")}<[{quote}]> \":\"";

    private string Literal(JsonNode? value) => value?.GetValueKind() switch
    {
        null => "\"null\"",
        JsonValueKind.String => (string)value! is { Length: > 0 } text ? $"<[{quote}]> {SpacedJson.Quote(text)} <[{quote}]>" : $"<[{quote}]> <[{quote}]>",
        JsonValueKind.Array => $"\"[\" {string.Join(" \",\" ", value.AsArray().Select(Literal))} \"]\"",
        JsonValueKind.Object => $"\"{{\" {string.Join(" \",\" ", value.AsObject()
            .OrderBy(property => property.Key.ToLowerInvariant(), StringComparer.Ordinal)
            .Select(property => $"{Key(property.Key)} {Literal(property.Value)}"))} \"}}\"",
        _ => SpacedJson.Quote(value.ToJsonString()),
    };

    private static bool IsOfType(JsonObject schema, JsonNode? value) => value?.GetValueKind() switch
    {
        null => GuidedSchema.HasType(schema, "null"),
        JsonValueKind.String => GuidedSchema.HasType(schema, "string"),
        JsonValueKind.True or JsonValueKind.False => GuidedSchema.HasType(schema, "boolean"),
        JsonValueKind.Number => GuidedSchema.HasType(schema, "number") || (GuidedSchema.HasType(schema, "integer") && value.GetValue<double>() % 1 == 0),
        JsonValueKind.Array => GuidedSchema.HasType(schema, "array"),
        _ => GuidedSchema.HasType(schema, "object"),
    };

    private static JsonObject Without(JsonObject schema, params string[] names)
    {
        JsonObject copy = schema.DeepClone().AsObject();
        foreach (string name in names)
            copy.Remove(name);
        return copy;
    }

    // Both schemas apply: what only one of them says is taken over, and keys of objects are joined.
    private JsonObject Merge(JsonObject left, JsonNode? right, string path)
    {
        JsonObject merged = left.DeepClone().AsObject();
        if (right is not JsonObject other)
            return merged;
        if (other["$ref"] is { } reference && merged.Any(property => property.Key is not ("$defs" or "definitions" or "x-guidance")))
            other = Merge(Without(other, "$ref"), Resolve((string)reference!), path);
        foreach ((string name, JsonNode? value) in other)
        {
            if (!merged.ContainsKey(name))
                merged[name] = value?.DeepClone();
            else if (name == "properties")
            {
                foreach ((string key, JsonNode? property) in value!.AsObject())
                    merged[name]![key] = merged[name]![key] is JsonObject both ? Merge(both, property, path) : property?.DeepClone();
            }
            else if (name == "required")
            {
                foreach (JsonNode? key in value!.AsArray())
                    merged[name]!.AsArray().Add(key?.DeepClone());
            }
            else if (name == "type")
                merged[name] = Common(merged, other, path);
            else if (!JsonNode.DeepEquals(merged[name], value) && name is not ("$defs" or "definitions" or "x-guidance"))
                throw GuidedSchema.Refused(
                    $"{path}.{name}", "two values that both have to hold are not implemented for this model's function calls; write one");
        }
        return merged;
    }

    private static JsonArray Common(JsonObject left, JsonObject right, string path)
    {
        string[] types = [.. TypeNames.Where(type =>
            (GuidedSchema.HasType(left, type) || (type == "integer" && GuidedSchema.HasType(left, "number")))
            && (GuidedSchema.HasType(right, type) || (type == "integer" && GuidedSchema.HasType(right, "number"))))];
        return types.Length == 0
            ? throw GuidedSchema.Refused($"{path}.type", "no type is left that both parts allow")
            : new JsonArray([.. types.Select(type => (JsonNode)JsonValue.Create(type))]);
    }

    private static long? LengthOf(JsonNode? node) => node?.GetValueKind() == JsonValueKind.Number ? (long)Math.Min(node.GetValue<double>(), 1e9) : null;

    private string Rule(string body)
    {
        string name = $"v{_count + 1}";
        Add(name, body.Trim().Length == 0 ? "\"\"" : body);
        return name;
    }

    private string Terminal(string body)
    {
        string name = $"V{_count + 1}";
        Add(name, body);
        return name;
    }

    private void Add(string name, string body)
    {
        if (++_count > MaxRules)
            throw new ArgumentException("Tools: the JSON schemas of the functions are too large together; send fewer or smaller ones.");
        _rules.Append(name).Append(": ").Append(body).Append('\n');
    }

    private string AnyRules() => $$"""
        TEXT_VALUE: /(?s:.)+/
        {{Any}}: <[{{quote}}]> TEXT_VALUE? <[{{quote}}]> | any_number | "true" | "false" | "null" | {{AnyNested}}
        any_entry: ANY_KEY ":" {{Any}}
        ANY_KEY: /[\p{L}\p{N}_]+/
        any_number: /-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?/

        """;
}
