using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxVlm.Evaluation.Programs;

namespace OnnxVlm.Evaluation.Cases;

/// <summary>One line of <c>cases.jsonl</c>.</summary>
/// <example><code>{"id": "chat-7", "images": ["a.png"], "turns": [{"prompt": "What is the value of A?"}], "prompt": "And of B?", "expected": "3",
/// "metric": "exact", "group": "chat"}</code></example>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record EvaluationCase
{
    public required string Id { get; init; }

    // These are set, not init: generated code ignores the default of an init property.

    /// <summary>Names of the images, which <see cref="EvaluationSet"/> finds.</summary>
    public IReadOnlyList<string> Images { get; set; } = [];

    /// <summary>Turns before the prompt. The images belong to the first of all questions.</summary>
    public IReadOnlyList<EarlierTurn> Turns { get; set; } = [];

    /// <summary>The question whose answer is scored.</summary>
    public required string Prompt { get; init; }

    /// <summary>The right answer; for the metric code, a <see cref="ProgramTask"/> as JSON.</summary>
    public required string Expected { get; init; }

    /// <summary>exact, cer, json, contains, number or code.</summary>
    public required string Metric { get; init; }

    /// <summary>A JSON schema that the answer must follow under <c>--guided</c>.</summary>
    public JsonElement? JsonSchema { get; init; }

    public required string Group { get; init; }

    /// <summary>Reads <c>cases.jsonl</c>.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="VlmException">A line is not a case, or there are no lines; the message has the line.</exception>
    public static IReadOnlyList<EvaluationCase> Read(string path)
    {
        List<EvaluationCase> cases = [];
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line))
                cases.Add(Parse(line, path, number));
        }
        return cases.Count > 0 ? cases : throw new VlmException($"{path} has no cases.");
    }

    private static EvaluationCase Parse(string line, string path, int number)
    {
        try
        {
            EvaluationCase parsed = JsonSerializer.Deserialize(line, EvaluationJson.Default.EvaluationCase) ?? throw new JsonException("null is not a case.");
            if (parsed.Metric == Metrics.Code)
                ProgramTask.Parse(parsed.Expected);
            else if (!Metrics.Names.Contains(parsed.Metric))
                throw new VlmException(
                    $"{path}, line {number}: unknown metric '{parsed.Metric}'; known are {string.Join(", ", Metrics.Names)}, {Metrics.Code}.");
            return parsed;
        }
        catch (JsonException e)
        {
            throw new VlmException($"{path}, line {number}: {e.Message}", e);
        }
    }
}
