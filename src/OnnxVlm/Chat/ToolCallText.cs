using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Prompting;

namespace OnnxVlm.Chat;

/// <summary>
/// Tools and calls in a prompt: the Hermes form (NousResearch/Hermes-Function-Calling), with the words of the chat template of Qwen2.5 and Qwen3.
/// <see cref="Tools.HermesSyntax"/> allows what <see cref="Write"/> writes, and <see cref="ToolCallReader"/> reads it: a call in a conversation is
/// the text that the model wrote, except for unnecessary escapes.
/// </summary>
internal static class ToolCallText
{
    public const string Start = "<tool_call>";
    public const string End = "</tool_call>";

    /// <summary>The text before a call's name.</summary>
    public const string BeforeName = "{\"name\": ";

    /// <summary>The text between a call's name and its arguments. No name contains it: its quotes would be escaped.</summary>
    public const string AfterName = ", \"arguments\": ";

    /// <summary>The description of the tools in the system message.</summary>
    /// <param name="functions">The functions.</param>
    public static string Describe(IEnumerable<AIFunctionDeclaration> functions)
    {
        StringBuilder text = new("# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
            + "You are provided with function signatures within <tools></tools> XML tags:\n<tools>");
        foreach (AIFunctionDeclaration function in functions)
        {
            text.Append("\n{\"type\": \"function\", \"function\": {\"name\": ").Append(SpacedJson.Quote(function.Name));
            if (!string.IsNullOrEmpty(function.Description))
                text.Append(", \"description\": ").Append(SpacedJson.Quote(function.Description));
            text.Append(", \"parameters\": ").Append(SpacedJson.Write(function.JsonSchema)).Append("}}");
        }
        return text.Append("\n</tools>\n\n"
            + "For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n"
            + "<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>").ToString();
    }

    /// <summary>Writes a call.</summary>
    /// <param name="call">The call.</param>
    public static string Write(FunctionCallContent call)
    {
        string arguments = FunctionArguments.TextOf(call) ?? SpacedJson.Write(ChatJson.ToElement(call.Arguments ?? new Dictionary<string, object?>()));
        return $"{Start}\n{BeforeArguments(call.Name)}{arguments}}}\n{End}";
    }

    /// <summary>The beginning of a call's JSON object, up to the arguments.</summary>
    /// <param name="name">The function's name.</param>
    public static string BeforeArguments(string name) => BeforeName + SpacedJson.Quote(name) + AfterName;
}
