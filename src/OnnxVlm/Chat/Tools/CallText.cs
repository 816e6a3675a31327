using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Chat.Tools;

/// <summary>Functions that the readers of calls share.</summary>
internal static class CallText
{
    /// <summary>A new id of a call.</summary>
    public static string NewId() => $"call_{Guid.NewGuid():N}";

    /// <summary>Whether a text is a number of JSON.</summary>
    /// <param name="text">The text.</param>
    public static bool IsNumber(string text)
    {
        if (text.Length == 0 || !(char.IsAsciiDigit(text[0]) || text[0] == '-')
            || !double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _))
            return false;
        try
        {
            return JsonElement.Parse(text).ValueKind == JsonValueKind.Number;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Creates a call from its parts.</summary>
    /// <param name="callId">Its id.</param>
    /// <param name="name">The function's name.</param>
    /// <param name="arguments">The arguments as a JSON object.</param>
    /// <exception cref="VlmException">They are none.</exception>
    public static FunctionCallContent Create(string callId, string name, string arguments)
    {
        try
        {
            Dictionary<string, object?> values = [];
            foreach (JsonProperty argument in JsonElement.Parse(arguments).EnumerateObject())
                values[argument.Name] = argument.Value.ValueKind == JsonValueKind.Null ? null : argument.Value;
            return new FunctionCallContent(callId, name, values);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new VlmException($"The model wrote a function call of {arguments.Length} characters that cannot be read: {e.Message}", e);
        }
    }
}
