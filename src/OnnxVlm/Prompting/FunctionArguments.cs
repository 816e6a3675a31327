using System.Text.Json;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Prompting;

/// <summary>Arguments of a function call that come as text, as in OpenAI's messages.</summary>
public static class FunctionArguments
{
    private const string TextName = "arguments_text";

    /// <summary>Makes a call of the text of its arguments. What is no JSON object, as a call that was cut off, stays text: the model reads it as it wrote it.</summary>
    /// <param name="callId">The id of the call.</param>
    /// <param name="name">The function.</param>
    /// <param name="arguments">The arguments; an empty text is none.</param>
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
