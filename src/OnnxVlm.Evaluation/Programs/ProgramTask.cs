using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.Evaluation.Programs;

/// <summary>The expected answer of a case whose metric is code: a function, and calls with their results.</summary>
/// <example><code>{"language": "csharp", "function": "Add", "cases": [[[1, 2], 3], [[0, -4], -4]]}</code></example>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record ProgramTask
{
    public const string CSharp = "csharp";
    public const string Python = "python";

    /// <summary>csharp or python.</summary>
    public required string Language { get; init; }

    /// <summary>The function's name; null for the first function that the answer defines.</summary>
    public string? Function { get; init; }

    /// <summary>Pairs [arguments, result]: a JSON array of arguments and the JSON value that the call returns.</summary>
    public required IReadOnlyList<IReadOnlyList<JsonElement>> Cases { get; init; }

    /// <summary>Reads the expected answer.</summary>
    /// <param name="expected">JSON, as in the example.</param>
    /// <exception cref="JsonException">The text is not such an object; the message says why.</exception>
    public static ProgramTask Parse(string expected)
    {
        ProgramTask task = JsonSerializer.Deserialize(expected, EvaluationJson.Default.ProgramTask) ?? throw new JsonException("null is not a task.");
        if (task.Language is not (CSharp or Python))
            throw new JsonException($"unknown language '{task.Language}'; known are {CSharp} and {Python}.");
        if (task.Cases.Count == 0 || task.Cases.Any(pair => pair.Count != 2 || pair[0].ValueKind != JsonValueKind.Array))
            throw new JsonException("cases: expected one or more pairs [[arguments], result].");
        return task;
    }
}
