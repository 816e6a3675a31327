using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>How a model sets its reasoning apart from its answer: <c>reasoning</c> of <c>onnxvlm.json</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ReasoningTokens
{
    /// <summary>The token before the reasoning.</summary>
    /// <exception cref="ArgumentException">The id is negative.</exception>
    public required int Begin { get; init => field = ManifestCheck.Range(value, 0, int.MaxValue, "reasoning.begin"); }

    /// <summary>The token after it.</summary>
    /// <exception cref="ArgumentException">The id is negative.</exception>
    public required int End { get; init => field = ManifestCheck.Range(value, 0, int.MaxValue, "reasoning.end"); }

    /// <summary>What the model writes first, to name what follows, and nobody wants to read; null for nothing.</summary>
    public string? Header { get; init; }
}
