using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;

namespace OnnxVlm.Prompting;

/// <summary>A function's result as the model reads it: text, or texts and images.</summary>
internal static class FunctionResults
{
    /// <summary>The contents of a result.</summary>
    /// <param name="result">The result: contents, a text, or any value, which is written as JSON.</param>
    public static IEnumerable<AIContent> ContentsOf(FunctionResultContent result) => result.Result switch
    {
        AIContent content => [content],
        IEnumerable<AIContent> contents => contents,
        string text => [new TextContent(text)],
        JsonElement { ValueKind: JsonValueKind.String } text => [new TextContent(text.GetString())],
        null => [new TextContent(result.Exception is null ? "null" : "Error: the function failed.")],
        object value => [new TextContent(SpacedJson.Write(ChatJson.ToElement(value)))],
    };
}
