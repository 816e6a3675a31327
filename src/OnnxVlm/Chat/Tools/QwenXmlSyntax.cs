using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Schemas;

namespace OnnxVlm.Chat.Tools;

/// <summary>
/// Qwen 3.5's form: <c>&lt;function=NAME&gt;</c> with a <c>&lt;parameter=KEY&gt;</c> for each argument, between <c>&lt;tool_call&gt;</c> and
/// <c>&lt;/tool_call&gt;</c>. A text is written without quotes or escapes, up to the line <c>&lt;/parameter&gt;</c>; other values are JSON, and
/// Python's True, False and None are also accepted.
/// </summary>
internal sealed class QwenXmlSyntax : IToolSyntax
{
    internal const string BeforeKey = "<parameter=";
    internal const string AfterKey = ">\n";
    internal const string AfterValue = "\n</parameter>\n";
    internal const string EndOfFunction = "</function>";

    public Guidance CreateGrammar(ToolSet tools, Guidance? answer)
    {
        StringBuilder grammar = new();
        HermesSyntax.AppendStart(grammar, tools, answer);
        int rules = 0;
        for (int i = 0; i < tools.Callable.Count; i++)
        {
            AIFunctionDeclaration function = tools.Callable[i];
            XmlParameters parameters = XmlParameters.Of(function);
            StringBuilder body = new($"function{i}: {SpacedJson.Quote($"<function={function.Name}>\n")}");
            foreach ((string key, bool isRequired) in parameters.Keys)
            {
                string rule = $"p{rules++}";
                body.Append(' ').Append(rule).Append(isRequired ? "" : "?");
                AppendParameter(grammar, rule, SpacedJson.Quote(BeforeKey + key + AfterKey), parameters, key);
            }
            if (parameters.IsOpen)
                body.Append(" more*");
            grammar.Append(body).Append($" \"{EndOfFunction}\"\n");
        }
        grammar.Append($"more: {SpacedJson.Quote(BeforeKey)} /[\\p{{L}}\\p{{N}}_]+/ {SpacedJson.Quote(AfterKey)} text\n");
        grammar.Append($"text[suffix={SpacedJson.Quote(AfterValue)}]: /(?s:.)*/\n");
        return Guidance.FunctionCalls(grammar.ToString(), isJson: tools.MustCall || answer is not null);
    }

    public IToolCallReader CreateReader(ToolSet tools) =>
        new QwenXmlReader(tools.Callable.ToDictionary(function => function.Name, XmlParameters.Of, StringComparer.Ordinal));

    private static void AppendParameter(StringBuilder grammar, string rule, string begin, XmlParameters parameters, string key)
    {
        string end = SpacedJson.Quote(AfterValue);
        JsonObject? schema = parameters.SchemaOf(key);
        if (schema is null || parameters.IsFreeText(key))
        {
            grammar.Append($"{rule}: {begin} text\n");
            return;
        }
        if (parameters.LiteralsOf(key) is { } literals)
            grammar.Append($"{rule}: {begin} ({string.Join(" | ", literals.Select(SpacedJson.Quote))}) {end}\n");
        else if (parameters.IsText(key))
        {
            string? pattern = (string?)schema["pattern"];
            string length = schema.ContainsKey("minLength") || schema.ContainsKey("maxLength")
                ? $"/(?s:.){{{schema["minLength"]?.ToJsonString() ?? "0"},{schema["maxLength"]?.ToJsonString()}}}/"
                : "";
            string terminal = string.Join(
                " & ", new[] { pattern is null ? "" : LarkRegex.Of(pattern), length, @"~/(?s:.)*\n<\/parameter>\n(?s:.)*/" }.Where(part => part.Length > 0));
            grammar.Append($"{rule}: {begin} {rule.ToUpperInvariant()} {end}\n{rule.ToUpperInvariant()}: {terminal}\n");
        }
        else
        {
            string capitalized = parameters.IsBoolean(key) ? " | \"True\" | \"False\"" : "";
            grammar.Append($"{rule}: {begin} j{rule} {end}\nj{rule}: %json {parameters.JsonSchemaOf(key)}{capitalized}\n");
        }
    }
}
