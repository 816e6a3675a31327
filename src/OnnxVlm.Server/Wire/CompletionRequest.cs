using System.Text.Json;

namespace OnnxVlm.Server.Wire;

/// <summary>Body of POST /v1/completions: text is continued as it is, without a chat template.</summary>
internal sealed record CompletionRequest : SamplingRequest
{
    /// <summary>A text, or an array of up to eight texts. Required. Token ids are refused.</summary>
    public JsonElement Prompt { get; init; }

    /// <summary>Whether the answer begins with the prompt.</summary>
    public bool? Echo { get; init; }

    /// <summary>Log probabilities with this many alternatives, 0 to 20.</summary>
    public int? Logprobs { get; init; }

    /// <summary>Only the same value as <c>n</c>.</summary>
    public int? BestOf { get; init; }
}
