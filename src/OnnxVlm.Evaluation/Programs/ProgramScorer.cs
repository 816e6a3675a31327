using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxVlm.Evaluation.Programs;

/// <summary>
/// Scores a function that a model wrote: compiles it and runs it on the calls of the case. C# is compiled in memory with Roslyn and runs in a process
/// of its own; Python runs with the machine's interpreter.
/// </summary>
/// <remarks>
/// What contains the code: a process of its own in an empty temporary folder that is deleted afterwards, a bare environment, no input, a time limit
/// after which it and its children are killed, and a memory limit (the heap of C#; the address space of Python on Unix). It can still read what the
/// user can read and use the network: run foreign models in a container. Thread-safe.
/// </remarks>
internal sealed class ProgramScorer
{
    private const string TaskFile = "task.json";
    private const string ResultsFile = "results.json";

    private readonly Lazy<string?> _python;
    private readonly TimeSpan _timeLimit;

    /// <summary>Prepares scoring; nothing is started yet.</summary>
    /// <param name="timeLimit">The time for all calls of one case, including the start of the process. Default 10 seconds.</param>
    /// <param name="findPython">Returns the path of a Python 3 interpreter, or null without one; called at most once. Default: searches PATH.</param>
    public ProgramScorer(TimeSpan? timeLimit = null, Func<string?>? findPython = null)
    {
        _timeLimit = timeLimit ?? TimeSpan.FromSeconds(10);
        _python = new Lazy<string?>(findPython ?? PythonInterpreter.Find);
    }

    /// <summary>Runs an answer.</summary>
    /// <param name="task">The function and its calls.</param>
    /// <param name="answer">The model's answer: code, or code in a Markdown fence.</param>
    /// <param name="cancellationToken">Kills the process.</param>
    /// <returns>1 when every call returns its result; 0 when one does not, or the code does not compile, throws, or takes too long; null when this
    /// machine has no interpreter for the language.</returns>
    public async Task<double?> ScoreAsync(ProgramTask task, string answer, CancellationToken cancellationToken = default)
    {
        string code = StripFence(answer);
        if (task.Language == ProgramTask.Python && _python.Value is null)
            return null;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("onnxvlm-eval-");
        try
        {
            (string fileName, string[] arguments)? program = task.Language == ProgramTask.CSharp
                ? CSharpProgram.Write(code, task.Function, folder.FullName)
                : PythonProgram.Write(code, _python.Value!, folder.FullName);
            if (program is not { } command)
                return 0;
            JsonObject call = new() { ["function"] = task.Function, ["cases"] = new JsonArray([.. task.Cases.Select(pair => JsonArray.Create(pair[0]))]) };
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, TaskFile), call.ToJsonString(), cancellationToken).ConfigureAwait(false);
            await ConfinedProcess.RunAsync(command.fileName, command.arguments, folder.FullName, _timeLimit, cancellationToken).ConfigureAwait(false);
            string results = Path.Combine(folder.FullName, ResultsFile);
            return File.Exists(results) && AreRight(task, await File.ReadAllTextAsync(results, cancellationToken).ConfigureAwait(false)) ? 1 : 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // The answer runs in the process that writes the results, so they are treated as untrusted input.
    private static bool AreRight(ProgramTask task, string json)
    {
        try
        {
            using JsonDocument results = JsonDocument.Parse(json);
            JsonElement[] values = [.. results.RootElement.EnumerateArray()];
            return values.Length == task.Cases.Count
                && task.Cases.Zip(values).All(pair => pair.Second.TryGetProperty("value", out JsonElement value) && IsSame(pair.First[1], value));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    // Numbers are equal up to rounding: 2 and 2.0, or the last bits of a quotient.
    private static bool IsSame(JsonElement expected, JsonElement found)
    {
        if (expected.ValueKind != found.ValueKind)
            return false;
        return expected.ValueKind switch
        {
            JsonValueKind.Number => Math.Abs(expected.GetDouble() - found.GetDouble()) <= 1e-9 * Math.Max(1, Math.Abs(expected.GetDouble())),
            JsonValueKind.Array => expected.GetArrayLength() == found.GetArrayLength()
                && expected.EnumerateArray().Zip(found.EnumerateArray()).All(pair => IsSame(pair.First, pair.Second)),
            _ => JsonElement.DeepEquals(expected, found),
        };
    }

    private static string StripFence(string answer)
    {
        int start = answer.IndexOf("```", StringComparison.Ordinal);
        if (start < 0 || answer.IndexOf('\n', start) is not (> 0 and int lineEnd))
            return answer;
        int end = answer.IndexOf("```", lineEnd, StringComparison.Ordinal);
        return answer[(lineEnd + 1)..(end < 0 ? answer.Length : end)];
    }
}
