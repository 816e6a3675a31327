using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;

namespace OnnxVlm.Chat;

/// <summary>
/// The grammar of an answer that may call functions, in llguidance's Lark: text, or calls whose arguments follow each function's JSON schema, or text and then
/// calls. Text never holds <c>&lt;tool_call&gt;</c>, so that what looks like a call is one.
/// </summary>
internal static class ToolGrammar
{
    // (.|\n)* is any text; & and ~ are llguidance's "and" and "not" for terminals. A terminal with a suffix ends at the first place where the suffix stands.
    private const string TextRules = """
        start: TEXT | lead body after | calls
        lead[suffix="\n<tool_call>\n"]: SOME
        TEXT: /(.|\n)*/ & ~/(.|\n)*<tool_call>(.|\n)*/
        SOME: /(.|\n)+/ & ~/(.|\n)*<tool_call>(.|\n)*/

        """;

    /// <summary>Writes the grammar.</summary>
    /// <param name="tools">The functions and how they may be called.</param>
    /// <param name="answer">The JSON schema that an answer other than a call follows; null for any text.</param>
    public static Guidance Create(ToolSet tools, Guidance? answer)
    {
        StringBuilder grammar = new();
        if (tools.MustCall)
            grammar.Append("start: calls\n");
        else if (answer is null)
            grammar.Append(TextRules);
        else
            grammar.Append("start: answer | calls\nanswer: %json ").Append(answer.Grammar).Append('\n');
        grammar.Append("calls: ").Append(Literal(ToolCallText.Start + "\n")).Append(" body after\n");
        grammar.Append("after: ").Append(Literal("\n" + ToolCallText.End)).Append(tools.AllowMany ? " (\"\\n\" calls)?\n" : "\n");
        grammar.Append("body: ").AppendJoin(" | ", tools.Callable.Select((_, i) => $"function{i}")).Append('\n');
        for (int i = 0; i < tools.Callable.Count; i++)
        {
            AIFunctionDeclaration function = tools.Callable[i];
            grammar.Append($"function{i}: {Literal(ToolCallText.BeforeArguments(function.Name))} %json {ArgumentsSchema(function)} \"}}\"\n");
        }
        return Guidance.FunctionCalls(grammar.ToString(), isJson: tools.MustCall || answer is not null);
    }

    private static string Literal(string text) => SpacedJson.Quote(text);

    private static string ArgumentsSchema(AIFunctionDeclaration function)
    {
        JsonObject schema = function.JsonSchema.ValueKind == JsonValueKind.Undefined ? [] : GuidedSchema.Create(function.JsonSchema);
        if (!schema.ContainsKey("$ref") && !schema.ContainsKey("anyOf") && !schema.ContainsKey("allOf") && !schema.ContainsKey("oneOf"))
            schema.TryAdd("type", "object");
        // The spacing of SpacedJson.
        schema["x-guidance"] = new JsonObject { ["whitespace_flexible"] = false, ["item_separator"] = ", ", ["key_separator"] = ": " };
        return schema.ToJsonString();
    }
}
