using System.Text.Json;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Prompting;

/// <summary>Arguments of a function call as text, the form of OpenAI's messages.</summary>
public static class FunctionArguments
{
    private const string TextName = "arguments_text";

    /// <summary>
    /// Makes a call from the text of its arguments. Text that is not a JSON object, as in a truncated call, stays text, so that the
    /// model reads what it wrote.
    /// </summary>
    /// <param name="callId">The id of the call.</param>
    /// <param name="name">The function.</param>
    /// <param name="arguments">The arguments; an empty text means none.</param>
    public static FunctionCallContent Parse(string callId, string name, string arguments)
    {
        if (TryParse(arguments.Length == 0 ? "{}" : arguments) is not { ValueKind: JsonValueKind.Object } parsed)
            return new FunctionCallContent(callId, name) { AdditionalProperties = new AdditionalPropertiesDictionary { [TextName] = arguments } };
        Dictionary<string, object?> values = [];
        foreach (JsonProperty argument in parsed.EnumerateObject())
            values[argument.Name] = argument.Value;
        return new FunctionCallContent(callId, name, values);
    }

    /// <summary>The arguments as text; null where they are values.</summary>
    /// <param name="call">The call.</param>
    public static string? TextOf(FunctionCallContent call) => call.Arguments is null ? call.AdditionalProperties?.GetValueOrDefault(TextName) as string : null;

    private static JsonElement? TryParse(string json)
    {
        try
        {
            return JsonElement.Parse(json);
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            return null;
        }
    }
}
