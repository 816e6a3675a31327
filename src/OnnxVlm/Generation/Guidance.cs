using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxVlm.Generation;

/// <summary>A grammar that the whole answer follows: every token that would leave it is excluded. Immutable.</summary>
public sealed record Guidance
{
    // Without it the grammar's forced text would be tokenized by a callback that takes whole characters only, so that literals other than ASCII would break.
    private const string NothingForced = "%llguidance {\"no_forcing\": true}\n";

    private readonly Language _language;

    private enum Language
    {
        JsonSchema,
        Regex,
        Lark,
    }

    private Guidance(Language language, string grammar, string description)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(grammar);
        _language = language;
        Grammar = grammar;
        Description = description;
    }

    /// <summary>The grammar's text.</summary>
    public string Grammar { get; }

    internal string Description { get; }

    /// <summary>Whether everything in the answer that has digits is JSON.</summary>
    internal bool IsJson { get; init; }

    /// <summary>The answer is a JSON value that the schema accepts.</summary>
    /// <param name="schema">A JSON Schema as text.</param>
    /// <returns>The guidance.</returns>
    /// <exception cref="ArgumentException">The text is not a JSON object.</exception>
    public static Guidance JsonSchema(string schema)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(schema);
        try
        {
            if (JsonNode.Parse(schema) is not JsonObject root)
                throw new ArgumentException("A JSON schema is a JSON object; found another JSON value.", nameof(schema));
            // Without this an answer may be white space without end.
            root.TryAdd("x-guidance", new JsonObject { ["whitespace_flexible"] = false });
            return new Guidance(Language.JsonSchema, root.ToJsonString(), "JSON schema") { IsJson = true };
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"The JSON schema is not valid JSON: {e.Message}", nameof(schema), e);
        }
    }

    /// <summary>The answer matches a regular expression as a whole.</summary>
    /// <param name="expression">A regular expression in the syntax of Rust's regex crate, without look-around.</param>
    /// <returns>The guidance.</returns>
    /// <exception cref="ArgumentException">The text is empty.</exception>
    public static Guidance Regex(string expression) => new(Language.Regex, expression, "regular expression");

    /// <summary>The answer follows a context-free grammar.</summary>
    /// <param name="grammar">A grammar in the Lark syntax of llguidance.</param>
    /// <returns>The guidance.</returns>
    /// <exception cref="ArgumentException">The text is empty.</exception>
    public static Guidance Lark(string grammar) => new(Language.Lark, grammar, "Lark grammar");

    /// <summary>The answer may be function calls.</summary>
    /// <param name="grammar">A grammar in the Lark syntax of llguidance.</param>
    /// <param name="isJson">Whether the answer has no other text.</param>
    internal static Guidance FunctionCalls(string grammar, bool isJson) =>
        new(Language.Lark, grammar, "JSON schema of the functions or of the answer") { IsJson = isJson };

    /// <summary>The grammar in llguidance's Lark.</summary>
    internal string ToLark() => NothingForced + _language switch
    {
        Language.JsonSchema => $"start: %json {Grammar}",
        Language.Regex => RegexToLark(Grammar),
        _ => Grammar,
    };

    // A slash ends a regular expression in Lark, unless it is escaped already.
    private static string RegexToLark(string expression)
    {
        StringBuilder lark = new("start: /");
        bool isEscaped = false;
        foreach (char c in expression)
        {
            _ = c switch
            {
                '/' when !isEscaped => lark.Append("\\/"),
                '\n' => lark.Append(isEscaped ? "n" : "\\n"),
                '\r' => lark.Append(isEscaped ? "r" : "\\r"),
                _ => lark.Append(c),
            };
            isEscaped = c == '\\' && !isEscaped;
        }
        return lark.Append('/').ToString();
    }
}
