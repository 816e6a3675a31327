using System.Text.Json;

namespace OnnxVlm.Server.Wire;

/// <summary>What the bodies of /v1/chat/completions and /v1/completions have in common. Absent and null are the same; ranges are checked by <see cref="Reading.SamplingReader"/>.</summary>
internal abstract record SamplingRequest
{
    /// <summary>Name of a registered model. Required.</summary>
    public string? Model { get; init; }

    /// <summary>Whether the answer comes as server-sent events. Default false.</summary>
    public bool? Stream { get; init; }

    public StreamOptions? StreamOptions { get; init; }

    /// <summary>Whether a stream tells how far the prompt is read, as llama.cpp's server does. Default false; only for a stream.</summary>
    public bool? ReturnProgress { get; init; }

    /// <summary>The most tokens of the answer, 1 or more; also <c>max_completion_tokens</c>.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>0 to 2; default 0, the most probable token each time.</summary>
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

    /// <summary>Number of answers, 1 to 8.</summary>
    public int? N { get; init; }

    /// <summary>Who asks. Accepted, and nothing is done with it.</summary>
    public string? User { get; init; }
}

/// <summary>Options of a stream.</summary>
internal sealed record StreamOptions
{
    /// <summary>Whether one more chunk with the usage comes before the end.</summary>
    public bool? IncludeUsage { get; init; }

    /// <summary>Accepted, and nothing is done with it: no padding is sent.</summary>
    public bool? IncludeObfuscation { get; init; }
}
