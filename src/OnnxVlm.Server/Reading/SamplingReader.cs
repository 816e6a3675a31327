using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Reading;

/// <summary>Converts the sampling fields of a request to <see cref="ChatOptions"/>; every number is checked, and refused under its own name.</summary>
internal static class SamplingReader
{
    /// <summary>Checks the fields that are valid for a stream only.</summary>
    /// <param name="request">The body.</param>
    /// <exception cref="ApiException">One is set, and there is no stream.</exception>
    public static void CheckStream(SamplingRequest request)
    {
        if (request.StreamOptions is not null && request.Stream != true)
            throw ApiException.Invalid("stream_options", "only for a stream; set stream to true or leave it out.");
        if (request.ReturnProgress == true && request.Stream != true)
            throw ApiException.Invalid("return_progress", "only for a stream; set stream to true or leave it out.");
    }

    /// <summary>Reads the fields.</summary>
    /// <param name="request">The body.</param>
    /// <param name="maxTokens">The most tokens of the answer, whichever field they came from.</param>
    /// <param name="limits">The service's limits.</param>
    /// <exception cref="ApiException">A field cannot be honoured.</exception>
    public static ChatOptions Read(SamplingFields request, (string Name, int? Value) maxTokens, ServerOptions limits)
    {
        AdditionalPropertiesDictionary more = [];
        ChatOptions options = new()
        {
            MaxOutputTokens = (int?)Within(maxTokens.Name, maxTokens.Value, 1, int.MaxValue) ?? limits.DefaultMaxTokens,
            Temperature = (float?)Within("temperature", request.Temperature, 0, 2),
            TopP = (float?)Within("top_p", request.TopP, double.Epsilon, 1),
            TopK = (int?)Within("top_k", request.TopK, 0, int.MaxValue),
            PresencePenalty = (float?)Within("presence_penalty", request.PresencePenalty, -2, 2),
            FrequencyPenalty = (float?)Within("frequency_penalty", request.FrequencyPenalty, -2, 2),
            Seed = request.Seed,
            StopSequences = ReadStops("stop", request.Stop, limits.MaxStops),
            AdditionalProperties = more,
        };
        if (Within("min_p", request.MinP, 0, 1) is { } minP)
            more[ChatProperties.MinP] = minP;
        if (Within("repetition_penalty", request.RepetitionPenalty, double.Epsilon, 10) is { } penalty)
            more[ChatProperties.RepetitionPenalty] = penalty;
        if (Within("min_tokens", request.MinTokens, 0, int.MaxValue) is { } minTokens)
            more[ChatProperties.MinTokens] = minTokens <= options.MaxOutputTokens
                ? (int)minTokens
                : throw ApiException.Invalid("min_tokens", $"more than the {options.MaxOutputTokens} tokens of {maxTokens.Name}; ask for less.");
        if (request.StopTokenIds is { Count: > 0 } ids)
        {
            if (ids.Count > 64)
                throw ApiException.Invalid("stop_token_ids", $"at most 64 tokens, found {ids.Count}.");
            more[ChatProperties.StopTokenIds] = ids.ToArray();
        }
        if (IsGiven(request.LogitBias))
            more[ChatProperties.LogitBias] = CheckBiases(request.LogitBias);
        return options;
    }

    /// <summary>Checks a number; written in such a way that not-a-number is refused too.</summary>
    /// <param name="name">The field.</param>
    /// <param name="value">The number; null where it is absent.</param>
    /// <param name="minimum">The smallest allowed; <see cref="double.Epsilon"/> for anything above 0.</param>
    /// <param name="maximum">The largest allowed.</param>
    /// <exception cref="ApiException">It is outside.</exception>
    public static double? Within(string name, double? value, double minimum, double maximum)
    {
        if (value is not { } number || (number >= minimum && number <= maximum))
            return value;
        string range = minimum == double.Epsilon ? $"a number above 0 and at most {maximum}"
            : maximum == int.MaxValue ? $"{minimum} or more"
            : $"a number from {minimum} to {maximum}";
        throw ApiException.Invalid(name, string.Create(CultureInfo.InvariantCulture, $"expected {range}, found {number}."));
    }

    /// <summary>Whether a field is present; null counts as absent.</summary>
    /// <param name="field">The field.</param>
    public static bool IsGiven(JsonElement field) => field.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null);

    /// <summary>Reads texts that end the answer.</summary>
    /// <param name="name">The field.</param>
    /// <param name="field">A text, or an array of texts.</param>
    /// <param name="most">The maximum number of texts.</param>
    /// <exception cref="ApiException">It is something else, or there are too many.</exception>
    public static List<string>? ReadStops(string name, JsonElement field, int most)
    {
        if (!IsGiven(field))
            return null;
        JsonElement[] elements = field.ValueKind == JsonValueKind.Array ? [.. field.EnumerateArray()] : [field];
        if (elements.Length > most)
            throw ApiException.Invalid(name, $"at most {most} texts, found {elements.Length}.");
        if (Array.Exists(elements, element => element.ValueKind != JsonValueKind.String || element.GetString()!.Length == 0))
            throw ApiException.Invalid(name, "expected a text or an array of texts, none of them empty.");
        return [.. elements.Select(element => element.GetString()!)];
    }

    private static JsonElement CheckBiases(JsonElement field)
    {
        if (field.ValueKind != JsonValueKind.Object)
            throw ApiException.Invalid("logit_bias", "expected an object of token id to number.");
        foreach (JsonProperty bias in field.EnumerateObject())
        {
            if (!int.TryParse(bias.Name, NumberStyles.None, CultureInfo.InvariantCulture, out _) || bias.Value.ValueKind != JsonValueKind.Number)
                throw ApiException.Invalid("logit_bias", "expected an object of token id to number.");
            Within("logit_bias", bias.Value.GetDouble(), -100, 100);
        }
        return field;
    }
}
