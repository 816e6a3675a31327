using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Schemas;

namespace OnnxVlm.Chat.Tools;

/// <summary>
/// The Hermes form (NousResearch/Hermes-Function-Calling), with the words of the chat template of Qwen2.5 and Qwen3: a JSON object between
/// <c>&lt;tool_call&gt;</c> and <c>&lt;/tool_call&gt;</c>. Text never contains <c>&lt;tool_call&gt;</c>, so that what looks like a call is one.
/// </summary>
internal sealed class HermesSyntax : IToolSyntax
{
    /// <summary>The syntax; it is stateless.</summary>
    public static HermesSyntax Instance { get; } = new();

    // (.|\n)* is any text; & and ~ are llguidance's "and" and "not" for terminals. A terminal with a suffix ends at the first occurrence of the suffix.
    internal const string TextRules = """
        start: TEXT | lead body after | calls
        lead[suffix="\n<tool_call>\n"]: SOME
        TEXT: /(.|\n)*/ & ~/(.|\n)*<tool_call>(.|\n)*/
        SOME: /(.|\n)+/ & ~/(.|\n)*<tool_call>(.|\n)*/

        """;

    public Guidance CreateGrammar(ToolSet tools, Guidance? answer)
    {
        StringBuilder grammar = new();
        AppendStart(grammar, tools, answer);
        for (int i = 0; i < tools.Callable.Count; i++)
        {
            AIFunctionDeclaration function = tools.Callable[i];
            grammar.Append($"function{i}: {SpacedJson.Quote(ToolCallText.BeforeArguments(function.Name))} %json {ArgumentsSchema(function)} \"}}\"\n");
        }
        return Guidance.FunctionCalls(grammar.ToString(), isJson: tools.MustCall || answer is not null);
    }

    public IToolCallReader CreateReader(ToolSet tools) => new ToolCallReader();

    /// <summary>The rules around the calls of functions, which are named <c>function0</c> and so on.</summary>
    /// <param name="grammar">Receives the rules.</param>
    /// <param name="tools">The functions.</param>
    /// <param name="answer">The schema of an answer other than a call, or null.</param>
    internal static void AppendStart(StringBuilder grammar, ToolSet tools, Guidance? answer)
    {
        if (tools.MustCall)
            grammar.Append("start: calls\n");
        else if (answer is null)
            grammar.Append(TextRules);
        else
            grammar.Append("start: answer | calls\nanswer: %json ").Append(answer.Grammar).Append('\n');
        grammar.Append("calls: ").Append(SpacedJson.Quote(ToolCallText.Start + "\n")).Append(" body after\n");
        grammar.Append("after: ").Append(SpacedJson.Quote("\n" + ToolCallText.End)).Append(tools.AllowMany ? " (\"\\n\" calls)?\n" : "\n");
        grammar.Append("body: ").AppendJoin(" | ", tools.Callable.Select((_, i) => $"function{i}")).Append('\n');
    }

    private static string ArgumentsSchema(AIFunctionDeclaration function)
    {
        JsonObject schema = FunctionSchema.Create(function);
        schema["x-guidance"] = SpacedJson.Spacing();
        return schema.ToJsonString();
    }
}
