using System.Text.Json;
using OnnxVlm.Cli;

namespace OnnxVlm.Tests.CommandLine;

/// <summary><c>onnxvlm eval</c> on cases whose scores do not depend on what the model has learned.</summary>
[NonParallelizable]
internal sealed class EvalCommandTests
{
    private const string Guided = """{"id": "1", "prompt": "Hello", "expected": "{\"a\": \"x\"}", "metric": "json", "json_schema": {"type": "object", "properties": {"a": {"enum": ["x"]}}, "required": ["a"], "additionalProperties": false}, "group": "form"}""";

    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("onnxvlm-test-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase(true, 1)]
    [TestCase(false, 0)]
    public async Task Eval_CaseWithSchema_FollowsItWhenGuided(bool guided, double score)
    {
        (JsonElement root, string error) = await EvaluateAsync([Guided], guided ? ["--guided"] : []);

        Assert.That(Score(root, "form"), Is.EqualTo(score));
        Assert.That(error.Contains("1 of 1 answers are valid JSON", StringComparison.Ordinal), Is.EqualTo(guided));
    }

    [Test]
    public async Task Eval_EarlierTurns_ComeBeforeThePrompt()
    {
        string image = JsonSerializer.Serialize(Nano.SampleImage);
        (JsonElement root, _) = await EvaluateAsync(
        [
            $$"""{"id": "1", "images": [{{image}}], "turns": [{"prompt": "Hello", "answer": "Hello"}, {"prompt": "Thanks"}], "prompt": "Bye", "expected": "", "metric": "contains", "group": "talk"}""",
        ]);

        Assert.That(Score(root, "talk"), Is.EqualTo(1));
    }

    [Test]
    public async Task Eval_CodeCase_CompilesTheAnswer()
    {
        (JsonElement root, _) = await EvaluateAsync(
            ["""{"id": "1", "prompt": "Hello", "expected": "{\"language\": \"csharp\", \"function\": \"Nobody\", \"cases\": [[[], 1]]}", "metric": "code", "group": "code"}"""]);

        Assert.That(Score(root, "code"), Is.Zero);
    }

    private static double Score(JsonElement root, string group) => root.GetProperty("groups").GetProperty(group).GetProperty("score").GetDouble();

    private async Task<(JsonElement Root, string Error)> EvaluateAsync(string[] cases, params string[] options)
    {
        await File.WriteAllLinesAsync(Path.Combine(_folder, "cases.jsonl"), cases);
        TextWriter output = Console.Out, error = Console.Error;
        using StringWriter capturedOutput = new(), capturedError = new();
        try
        {
            Console.SetOut(capturedOutput);
            Console.SetError(capturedError);
            int exitCode = await Program.RunAsync(["eval", "--model", Nano.Folder, "--data", _folder, "--json", .. options]);
            Assert.That(exitCode, Is.Zero, capturedError.ToString());
            return (JsonElement.Parse(capturedOutput.ToString()), capturedError.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }
}
