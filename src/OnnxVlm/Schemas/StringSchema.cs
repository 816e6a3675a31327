using System.Text.Json.Nodes;

namespace OnnxVlm.Schemas;

/// <summary>The part of <see cref="GuidedSchema"/> for strings, which end up with one pattern or none.</summary>
internal static class StringSchema
{
    /// <summary>Simplifies what a schema says about strings.</summary>
    /// <param name="schema">The schema, changed.</param>
    /// <param name="path">Its path, for errors.</param>
    /// <param name="patterns">Checks patterns.</param>
    public static void Simplify(JsonObject schema, string path, PatternBudget patterns)
    {
        string? format = TextOf(schema, "format") ?? TextOf(schema, "contentEncoding");
        schema.Remove("format");
        schema.Remove("contentEncoding");
        bool isText = GuidedSchema.HasType(schema, "string") || !schema.ContainsKey("type");
        bool isListed = schema.ContainsKey("enum") || schema.ContainsKey("const");
        string? known = format is null ? null : StringFormats.PatternOf(format);
        if (schema.ContainsKey("pattern"))
        {
            string pattern = TextOf(schema, "pattern") ?? throw GuidedSchema.Refused($"{path}.pattern", "expected a regular expression");
            string? narrower = StringFormats.NarrowerThan(pattern);
            // Some libraries write a format and, beside it, a pattern with a lookahead, which grammars do not support.
            if (known is not null && PatternBudget.LooksAround(pattern))
                narrower = known;
            if (narrower is not null && !isListed)
                schema["pattern"] = narrower;
            patterns.Check($"{path}.pattern", (string)schema["pattern"]!);
            return;
        }
        if (isText && known is not null && !isListed)
            schema["pattern"] = known;
        else if (GuidedSchema.HasType(schema, "string") && !isListed && IsOne(schema["minLength"]) && IsOne(schema["maxLength"]))
            // One character of .NET and JavaScript, which count characters outside the basic plane as two.
            schema["pattern"] = StringFormats.BasicCharacter;
    }

    private static bool IsOne(JsonNode? node) => node is JsonValue value && value.TryGetValue(out double number) && number == 1;

    private static string? TextOf(JsonObject schema, string name) => schema[name] is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
