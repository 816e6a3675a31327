using System.Text.Json;

namespace OnnxVlm.Server.Wire;

/// <summary>
/// The fields that control how an answer is chosen; several addresses share them. Absent and null mean the same;
/// <see cref="Reading.SamplingReader"/> checks the ranges.
/// </summary>
internal abstract record SamplingFields
{
    /// <summary>Name of a registered model. Required.</summary>
    public string? Model { get; init; }

    /// <summary>0 to 2; 0 takes the most probable token each time. Default: the model's own.</summary>
    public double? Temperature { get; init; }

    /// <summary>Above 0, at most 1.</summary>
    public double? TopP { get; init; }

    /// <summary>0 or more; 0 is off.</summary>
    public int? TopK { get; init; }

    /// <summary>0 to 1.</summary>
    public double? MinP { get; init; }

    /// <summary>Above 0, at most 10; 1 is off.</summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>−2 to 2.</summary>
    public double? PresencePenalty { get; init; }

    /// <summary>−2 to 2.</summary>
    public double? FrequencyPenalty { get; init; }

    /// <summary>Same seed and request: same text.</summary>
    public long? Seed { get; init; }

    /// <summary>A text, or an array of up to four.</summary>
    public JsonElement Stop { get; init; }

    /// <summary>Token id to a number from −100 to 100.</summary>
    public JsonElement LogitBias { get; init; }

    /// <summary>The answer does not end by itself before it has this many tokens; 0 or more.</summary>
    public int? MinTokens { get; init; }

    /// <summary>Tokens that end the answer, in addition to the model's own; they are not part of it.</summary>
    public IReadOnlyList<int>? StopTokenIds { get; init; }

    /// <summary>Whether the cache of past prompts is used. Default true.</summary>
    public bool? CachePrompt { get; init; }

    public StructuredOutputs? StructuredOutputs { get; init; }

    /// <summary><see cref="StructuredOutputs.Json"/> by its older name.</summary>
    public JsonElement GuidedJson { get; init; }

    /// <summary><see cref="StructuredOutputs.Regex"/> by its older name.</summary>
    public string? GuidedRegex { get; init; }

    /// <summary><see cref="StructuredOutputs.Choice"/> by its older name.</summary>
    public IReadOnlyList<string?>? GuidedChoice { get; init; }

    /// <summary><see cref="StructuredOutputs.Grammar"/> by its older name.</summary>
    public string? GuidedGrammar { get; init; }

    /// <summary>The end user. Accepted and ignored.</summary>
    public string? User { get; init; }
}

/// <summary>What the bodies of /v1/chat/completions and /v1/completions have in common.</summary>
internal abstract record SamplingRequest : SamplingFields
{
    /// <summary>Whether the answer comes as server-sent events. Default false.</summary>
    public bool? Stream { get; init; }

    public StreamOptions? StreamOptions { get; init; }

    /// <summary>Whether a stream reports the progress of the prompt, as llama.cpp's server does. Default false; only for a stream.</summary>
    public bool? ReturnProgress { get; init; }

    /// <summary>
    /// Whether each piece of a stream, or the whole answer, reports how long prompt and answer have taken, as llama.cpp's server does. Default false.
    /// </summary>
    public bool? TimingsPerToken { get; init; }

    /// <summary>The most tokens of the answer, 1 or more; also <c>max_completion_tokens</c>.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Number of answers, 1 to 8.</summary>
    public int? N { get; init; }
}

/// <summary>The constraint of the answer, in vLLM's form; exactly one of these.</summary>
internal sealed record StructuredOutputs
{
    /// <summary>A JSON schema: an object, or its text.</summary>
    public JsonElement Json { get; init; }

    /// <summary>Whether the answer is a JSON object, without a schema.</summary>
    public bool? JsonObject { get; init; }

    /// <summary>A regular expression that the whole answer matches, without look-around.</summary>
    public string? Regex { get; init; }

    /// <summary>The texts of which the answer is one.</summary>
    public IReadOnlyList<string?>? Choice { get; init; }

    /// <summary>A context-free grammar in llguidance's Lark syntax.</summary>
    public string? Grammar { get; init; }
}

/// <summary>Options of a stream.</summary>
internal sealed record StreamOptions
{
    /// <summary>Whether one more chunk with the usage comes before the end.</summary>
    public bool? IncludeUsage { get; init; }

    /// <summary>Accepted and ignored: no padding is sent.</summary>
    public bool? IncludeObfuscation { get; init; }
}
