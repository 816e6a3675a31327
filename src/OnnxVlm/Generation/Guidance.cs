using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OnnxVlm.Chat;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Schemas;

namespace OnnxVlm.Generation;

/// <summary>A grammar that the whole answer follows: every token that would leave it is excluded. Immutable.</summary>
public sealed partial record Guidance
{
    // Without this option, a callback that takes only whole characters would tokenize the grammar's forced text, and non-ASCII literals would break.
    private const string NothingForced = "\n%llguidance {\"no_forcing\": true}\n";

    private const string AnswerRule = "answer_behind_thoughts";

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

    /// <summary>Whether a user has written the grammar, so that line numbers in errors mean something to the user.</summary>
    internal bool IsWritten => _language != Language.JsonSchema && !IsCalls;

    private bool IsCalls { get; init; }

    // The rules for what precedes the answer; null for nothing.
    private string? Before { get; init; }

    /// <summary>Whether everything in the answer that has digits is JSON.</summary>
    internal bool IsJson { get; init; }

    /// <summary>
    /// The answer is a JSON value that the schema accepts. If the schema names an object's keys and does not say whether there are others, there are
    /// none. A format becomes a pattern; an unknown format has no effect.
    /// </summary>
    /// <param name="schema">A JSON Schema as text.</param>
    /// <returns>The guidance.</returns>
    /// <exception cref="ArgumentException">The text is not a JSON object, or says what a grammar cannot hold an answer to; the message
    /// has the path.</exception>
    public static Guidance JsonSchema(string schema)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(schema);
        try
        {
            return JsonSchema(JsonElement.Parse(schema), "schema");
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"The JSON schema is not valid JSON: {e.Message}", nameof(schema), e);
        }
    }

    /// <summary>The same for a schema that has already been parsed.</summary>
    /// <param name="schema">The schema.</param>
    /// <param name="path">The name of the schema in errors.</param>
    internal static Guidance JsonSchema(JsonElement schema, string path)
    {
        JsonObject root = GuidedSchema.Create(schema, path);
        // Without this option, an answer may be endless white space.
        root.TryAdd("x-guidance", new JsonObject { ["whitespace_flexible"] = false });
        return new Guidance(Language.JsonSchema, root.ToJsonString(), "JSON schema") { IsJson = true };
    }

    /// <summary>The whole answer matches a regular expression.</summary>
    /// <param name="expression">A regular expression in the syntax of Rust's regex crate, without look-around.</param>
    /// <returns>The guidance.</returns>
    /// <exception cref="ArgumentException">The text is empty.</exception>
    public static Guidance Regex(string expression) => new(Language.Regex, expression, "regular expression");

    /// <summary>The answer follows a context-free grammar.</summary>
    /// <param name="grammar">A grammar in the Lark syntax of llguidance.</param>
    /// <returns>The guidance.</returns>
    /// <exception cref="ArgumentException">The text is empty.</exception>
    public static Guidance Lark(string grammar) => new(Language.Lark, grammar, "Lark grammar");

    /// <summary>The answer is one of these texts.</summary>
    /// <param name="choices">The texts, at least one, none of them empty.</param>
    /// <returns>The guidance.</returns>
    /// <exception cref="ArgumentException">There is no text, or one is empty.</exception>
    public static Guidance Choice(IReadOnlyList<string> choices)
    {
        ArgumentNullException.ThrowIfNull(choices);
        if (choices.Count == 0 || choices.Any(string.IsNullOrEmpty))
            throw new ArgumentException("Choice: expected one text or more, none of them empty.", nameof(choices));
        return new Guidance(Language.Lark, $"start: {string.Join(" | ", choices.Select(SpacedJson.Quote))}", "choice") { IsCalls = true };
    }

    /// <summary>The answer may be function calls.</summary>
    /// <param name="grammar">A grammar in the Lark syntax of llguidance.</param>
    /// <param name="isJson">Whether the answer contains no other text.</param>
    internal static Guidance FunctionCalls(string grammar, bool isJson) =>
        new(Language.Lark, grammar, "JSON schema of the functions or of the answer") { IsJson = isJson, IsCalls = true };

    /// <summary>The grammar in llguidance's Lark.</summary>
    internal string ToLark()
    {
        string lark = _language switch
        {
            Language.JsonSchema => $"start: %json {Grammar}",
            Language.Regex => RegexToLark(Grammar),
            _ => Grammar,
        };
        return (Before is null ? lark : StartRule().Replace(lark, "$1" + AnswerRule) + Before) + NothingForced;
    }

    /// <summary>The same for an answer that may begin with reasoning.</summary>
    /// <param name="tokens">The tokens around reasoning.</param>
    /// <param name="isOpen">Whether the prompt ends inside the reasoning.</param>
    /// <param name="vocabulary">Knows whether these tokens are special.</param>
    internal Guidance After(ReasoningTokens tokens, bool isOpen, Vocabulary vocabulary)
    {
        // To the grammar, a token that is not special is text.
        string begin = vocabulary.IsSpecial(tokens.Begin) ? $"<[{tokens.Begin}]>" : SpacedJson.Quote(TextOf(tokens.Begin));
        string thought = vocabulary.IsSpecial(tokens.End)
            ? $"thoughts: THOUGHTS? <[{tokens.End}]>\nTHOUGHTS: /(?s:.)+/\n"
            : $"thoughts[suffix={SpacedJson.Quote(TextOf(tokens.End))}]: /(?s:.)*/\n";
        string start = isOpen ? "start: thoughts BREAKS? " : $"start: ({begin} thoughts BREAKS?)? ";
        return this with { Before = $"\n{start}{AnswerRule}\n{thought}BREAKS: /\\n{{1,2}}/\n" };

        string TextOf(int id) => Encoding.UTF8.GetString(vocabulary.BytesOf(id).Span);
    }

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

    [GeneratedRegex(@"^(\s*\??)start(?=\s*[:\[.{])", RegexOptions.Multiline)]
    private static partial System.Text.RegularExpressions.Regex StartRule();
}
