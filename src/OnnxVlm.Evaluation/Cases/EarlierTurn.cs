using System.Text.Json.Serialization;

namespace OnnxVlm.Evaluation.Cases;

/// <summary>A question and an answer before the one that a case scores.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record EarlierTurn
{
    public required string Prompt { get; init; }

    /// <summary>The answer that the conversation contains; null for the model's own answer.</summary>
    public string? Answer { get; init; }
}
