using System.Text.Json.Serialization;

namespace OnnxVlm.Evaluation.Cases;

/// <summary>A question and an answer that come before the one a case scores.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record EarlierTurn
{
    public required string Prompt { get; init; }

    /// <summary>What the assistant is made to have said; null for the model's own answer.</summary>
    public string? Answer { get; init; }
}
