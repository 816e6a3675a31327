using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;

namespace OnnxVlm.Chat;

/// <summary>The options of <see cref="ChatProperties"/>. Each value is looked at in its JSON form, so that 1, 1L and a <see cref="JsonElement"/> are the same.</summary>
internal static class AdditionalOptions
{
    /// <summary>Applies the options.</summary>
    /// <param name="properties">Name to value.</param>
    /// <param name="options">What they refine.</param>
    /// <exception cref="ArgumentException">A name is unknown, or a value has the wrong form or is out of range.</exception>
    public static GenerationOptions Apply(AdditionalPropertiesDictionary properties, GenerationOptions options)
    {
        bool? logprobs = null;
        int? topLogprobs = null;
        foreach ((string name, object? value) in properties)
        {
            JsonElement json = ToJson(name, value);
            if (json.ValueKind == JsonValueKind.Null)
                continue;
            switch (name)
            {
                case ChatProperties.MinP:
                    options = options with { MinP = Number(name, json) };
                    break;
                case ChatProperties.RepetitionPenalty:
                    options = options with { RepetitionPenalty = Number(name, json) };
                    break;
                case ChatProperties.LogitBias:
                    options = options with { LogitBias = Biases(name, json) };
                    break;
                case ChatProperties.Logprobs:
                    logprobs = json.ValueKind is JsonValueKind.True or JsonValueKind.False ? json.GetBoolean() : throw Unexpected(name, "true or false", json);
                    break;
                case ChatProperties.TopLogprobs:
                    topLogprobs = Integer(name, json);
                    break;
                case ChatProperties.MinTokens:
                    options = options with { MinNewTokens = Integer(name, json) };
                    break;
                case ChatProperties.StopTokenIds:
                    options = options with { StopTokenIds = [.. Elements(name, json).Select(id => Integer(name, id))] };
                    break;
                case ChatProperties.Regex:
                    RefuseSecond(ChatProperties.LarkGrammar);
                    options = options with { Guidance = Guidance.Regex(Text(name, json)) };
                    break;
                case ChatProperties.LarkGrammar:
                    RefuseSecond(ChatProperties.Regex);
                    options = options with { Guidance = Guidance.Lark(Text(name, json)) };
                    break;
                default:
                    throw new ArgumentException($"AdditionalProperties: \"{name}\" is not known; the names are those of {nameof(ChatProperties)}.", nameof(properties));
            }
        }
        if (logprobs == false && topLogprobs is not null)
            throw new ArgumentException($"AdditionalProperties: {ChatProperties.TopLogprobs} needs {ChatProperties.Logprobs} to be true.", nameof(properties));
        return logprobs switch
        {
            false => options with { TopLogprobs = null },
            true => options with { TopLogprobs = topLogprobs ?? options.TopLogprobs ?? 0 },
            null => options with { TopLogprobs = topLogprobs ?? options.TopLogprobs },
        };

        void RefuseSecond(string other)
        {
            if (properties.TryGetValue(other, out object? second) && second is not null)
                throw new ArgumentException($"AdditionalProperties: the answer can follow {ChatProperties.Regex} or {ChatProperties.LarkGrammar}, not both.", nameof(properties));
        }
    }

    private static JsonElement ToJson(string name, object? value)
    {
        try
        {
            return value is JsonElement json ? json : JsonSerializer.SerializeToElement(value, AIJsonUtilities.DefaultOptions);
        }
        catch (Exception e) when (e is NotSupportedException or JsonException or ArgumentException)
        {
            throw new ArgumentException($"AdditionalProperties: {name} is a {value!.GetType().Name}, which has no JSON form.", name, e);
        }
    }

    private static double Number(string name, JsonElement json) => json.ValueKind == JsonValueKind.Number ? json.GetDouble() : throw Unexpected(name, "a number", json);

    private static int Integer(string name, JsonElement json) =>
        json.ValueKind == JsonValueKind.Number && json.TryGetInt32(out int value) ? value : throw Unexpected(name, "an integer", json);

    private static string Text(string name, JsonElement json) => json.ValueKind == JsonValueKind.String ? json.GetString()! : throw Unexpected(name, "a text", json);

    private static JsonElement.ArrayEnumerator Elements(string name, JsonElement json) =>
        json.ValueKind == JsonValueKind.Array ? json.EnumerateArray() : throw Unexpected(name, "an array", json);

    private static Dictionary<int, double> Biases(string name, JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
            throw Unexpected(name, "an object of token id to number", json);
        Dictionary<int, double> biases = [];
        foreach (JsonProperty property in json.EnumerateObject())
        {
            if (!int.TryParse(property.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                throw new ArgumentException($"AdditionalProperties: {name} is by token id, found \"{property.Name}\".", name);
            biases[id] = Number(name, property.Value);
        }
        return biases;
    }

    private static ArgumentException Unexpected(string name, string expected, JsonElement found)
    {
        string text = found.GetRawText();
        return new ArgumentException($"AdditionalProperties: {name}: expected {expected}, found {(text.Length > 60 ? text[..60] + "…" : text)}.", name);
    }
}
