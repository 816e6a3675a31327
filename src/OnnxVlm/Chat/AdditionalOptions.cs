using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;

namespace OnnxVlm.Chat;

/// <summary>The options of <see cref="ChatProperties"/>. Each value is read in its JSON form, so 1, 1L and a <see cref="JsonElement"/> are the same.</summary>
internal static class AdditionalOptions
{
    /// <summary>Applies the options.</summary>
    /// <param name="properties">Name to value; null counts as absent.</param>
    /// <param name="options">The options that they refine.</param>
    /// <exception cref="ArgumentException">A name is unknown, two contradict each other, or a value has the wrong form or is out of range.</exception>
    public static GenerationOptions Apply(AdditionalPropertiesDictionary properties, GenerationOptions options)
    {
        object? onPrefill = properties.GetValueOrDefault(ChatProperties.OnPrefill);
        if (onPrefill is not (null or Action<PrefillProgress>))
            throw new ArgumentException(
                $"AdditionalProperties: {ChatProperties.OnPrefill}: expected an Action<PrefillProgress>, found a {onPrefill.GetType().Name}.",
                nameof(properties));
        options = options with { OnPrefill = onPrefill as Action<PrefillProgress> ?? options.OnPrefill };
        Dictionary<string, JsonElement> given = properties
            .Where(property => property.Key != ChatProperties.OnPrefill)
            .Select(property => KeyValuePair.Create(property.Key, ToJson(property.Key, property.Value)))
            .Where(property => property.Value.ValueKind != JsonValueKind.Null)
            .ToDictionary();
        // These concern the prompt, not the answer.
        given.Remove(ChatProperties.PlainPrompt);
        given.Remove(ChatProperties.ContinueFinalMessage);
        given.Remove(ChatProperties.ChatTemplateKwargs);
        foreach ((string name, JsonElement value) in given)
            options = Apply(name, value, options);

        if (new[] { ChatProperties.Regex, ChatProperties.LarkGrammar, ChatProperties.Choice }.Count(given.ContainsKey) > 1)
            throw new ArgumentException(
                "AdditionalProperties: the answer can follow a regular expression, a Lark grammar or a choice: one of them, not both.", nameof(properties));
        if (given.ContainsKey(ChatProperties.TopLogprobs) && given.TryGetValue(ChatProperties.Logprobs, out JsonElement on) && !on.GetBoolean())
            throw new ArgumentException($"AdditionalProperties: {ChatProperties.TopLogprobs} needs {ChatProperties.Logprobs} to be true.", nameof(properties));
        return options;
    }

    /// <summary>Whether <see cref="ChatProperties.PlainPrompt"/> is set.</summary>
    /// <param name="properties">Name to value, or null.</param>
    /// <exception cref="ArgumentException">The value has the wrong form.</exception>
    public static bool IsPlainPrompt(AdditionalPropertiesDictionary? properties) => IsSet(properties, ChatProperties.PlainPrompt);

    /// <summary>Whether <see cref="ChatProperties.ContinueFinalMessage"/> is set.</summary>
    /// <param name="properties">Name to value, or null.</param>
    /// <exception cref="ArgumentException">The value has the wrong form.</exception>
    public static bool ContinuesFinalMessage(AdditionalPropertiesDictionary? properties) => IsSet(properties, ChatProperties.ContinueFinalMessage);

    /// <summary>The variables of <see cref="ChatProperties.ChatTemplateKwargs"/>; null for none.</summary>
    /// <param name="properties">Name to value, or null.</param>
    /// <exception cref="ArgumentException">The value has the wrong form, or a name is one that the prompt is built of.</exception>
    public static IReadOnlyDictionary<string, JsonElement>? TemplateVariables(AdditionalPropertiesDictionary? properties)
    {
        const string Name = ChatProperties.ChatTemplateKwargs;
        if (properties?.GetValueOrDefault(Name) is not { } value || ToJson(Name, value) is not { ValueKind: not JsonValueKind.Null } json)
            return null;
        if (json.ValueKind != JsonValueKind.Object)
            throw Unexpected(Name, "an object of name to value", json);
        Dictionary<string, JsonElement> variables = json.EnumerateObject().ToDictionary(
            variable => variable.Name, variable => variable.Value, StringComparer.Ordinal);
        if (variables.Keys.FirstOrDefault(name => Reserved.Contains(name)
            || name.EndsWith("_token", StringComparison.Ordinal) || name.EndsWith("_tokens", StringComparison.Ordinal)) is { } reserved)
            throw new ArgumentException(
                $"AdditionalProperties: {Name}: \"{(reserved.Length > 60 ? reserved[..60] + "…" : reserved)}\" cannot be replaced; leave it out.",
                nameof(properties));
        return variables;
    }

    // The parts of a prompt; messages and tools are passed elsewhere.
    private static readonly HashSet<string> Reserved =
        new(["messages", "tools", "documents", "add_generation_prompt", "continue_final_message", "chat_template", "tokenize", "raise_exception",
            "strftime_now", "namespace", "range", "dict", "loop"], StringComparer.Ordinal);

    private static bool IsSet(AdditionalPropertiesDictionary? properties, string name) =>
        properties?.GetValueOrDefault(name) is { } value && ToJson(name, value) is { ValueKind: not JsonValueKind.Null } flag && Flag(name, flag);

    private static GenerationOptions Apply(string name, JsonElement value, GenerationOptions options) => name switch
    {
        ChatProperties.MinP => options with { MinP = Number(name, value) },
        ChatProperties.RepetitionPenalty => options with { RepetitionPenalty = Number(name, value) },
        ChatProperties.LogitBias => options with { LogitBias = Biases(name, value) },
        ChatProperties.Logprobs => options with { TopLogprobs = Flag(name, value) ? options.TopLogprobs ?? 0 : null },
        ChatProperties.TopLogprobs => options with { TopLogprobs = Integer(name, value) },
        ChatProperties.MinTokens => options with { MinNewTokens = Integer(name, value) },
        ChatProperties.StopTokenIds => options with { StopTokenIds = Integers(name, value) },
        ChatProperties.CacheScope => options with { CacheScope = Text(name, value) },
        ChatProperties.Regex => options with { Guidance = Guidance.Regex(Text(name, value)) },
        ChatProperties.LarkGrammar => options with { Guidance = Guidance.Lark(Text(name, value)) },
        ChatProperties.Choice => options with
        {
            Guidance = Guidance.Choice(value.ValueKind == JsonValueKind.Array
                ? [.. value.EnumerateArray().Select(text => Text(name, text))]
                : throw Unexpected(name, "an array of texts", value)),
        },
        _ => throw new ArgumentException($"AdditionalProperties: \"{name}\" is not known; the names are those of {nameof(ChatProperties)}.", name),
    };

    private static JsonElement ToJson(string name, object? value)
    {
        try
        {
            return ChatJson.ToElement(value);
        }
        catch (Exception e) when (e is NotSupportedException or JsonException or ArgumentException)
        {
            throw new ArgumentException($"AdditionalProperties: {name} is a {value!.GetType().Name}, which has no JSON form.", name, e);
        }
    }

    private static bool Flag(string name, JsonElement value) =>
        value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Unexpected(name, "true or false", value);

    private static double Number(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Unexpected(name, "a number", value);

    private static int Integer(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int integer) ? integer : throw Unexpected(name, "an integer", value);

    private static string Text(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Unexpected(name, "a text", value);

    private static int[] Integers(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(id => Integer(name, id))] : throw Unexpected(name, "an array", value);

    private static Dictionary<int, double> Biases(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Unexpected(name, "an object of token id to number", value);
        Dictionary<int, double> biases = [];
        foreach (JsonProperty property in value.EnumerateObject())
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
