using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>How a model separates its reasoning from its answer: <c>reasoning</c> of <c>onnxvlm.json</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ReasoningTokens
{
    /// <summary>The token before the reasoning.</summary>
    /// <exception cref="ArgumentException">The id is negative.</exception>
    public required int Begin { get; init => field = ManifestCheck.Range(value, 0, int.MaxValue, "reasoning.begin"); }

    /// <summary>The token after it.</summary>
    /// <exception cref="ArgumentException">The id is negative.</exception>
    public required int End { get; init => field = ManifestCheck.Range(value, 0, int.MaxValue, "reasoning.end"); }

    /// <summary>The label that the model writes at the beginning of its reasoning, which is removed from the text; null for none.</summary>
    public string? Header { get; init; }
}
