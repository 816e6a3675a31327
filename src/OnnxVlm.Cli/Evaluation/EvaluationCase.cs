using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.Cli.Evaluation;

/// <summary>One line of <c>cases.jsonl</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record EvaluationCase
{
    public required string Id { get; init; }

    /// <summary>Image files, relative to the folder of <c>cases.jsonl</c>.</summary>
    public IReadOnlyList<string> Images { get; init; } = [];

    public required string Prompt { get; init; }

    public required string Expected { get; init; }

    /// <summary>exact, cer, json, contains or number.</summary>
    public required string Metric { get; init; }

    public required string Group { get; init; }

    /// <summary>Reads <c>cases.jsonl</c>.</summary>
    /// <param name="folder">The folder that holds it.</param>
    /// <exception cref="VlmException">The file is missing or a line is not a case; the message says which.</exception>
    public static IReadOnlyList<EvaluationCase> Load(string folder)
    {
        string path = Path.Combine(folder, "cases.jsonl");
        if (!File.Exists(path))
            throw new VlmException($"{path} does not exist; --data names a folder with cases.jsonl and its images.");
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
            EvaluationCase parsed = JsonSerializer.Deserialize<EvaluationCase>(line, CliJson.Compact) ?? throw new JsonException("null is not a case.");
            return Metrics.Names.Contains(parsed.Metric)
                ? parsed
                : throw new VlmException($"{path}, line {number}: unknown metric '{parsed.Metric}'; known are {string.Join(", ", Metrics.Names)}.");
        }
        catch (JsonException e)
        {
            throw new VlmException($"{path}, line {number}: {e.Message}", e);
        }
    }
}
