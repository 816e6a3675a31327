using OnnxVlm.Cli.Evaluation;

namespace OnnxVlm.Tests.CommandLine;

/// <summary>Lines of cases.jsonl.</summary>
internal sealed class EvaluationCaseTests
{
    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("onnxvlm-test-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Load_TurnsAndSchema_AreRead()
    {
        EvaluationCase item = Load("""{"id": "1", "turns": [{"prompt": "a"}, {"prompt": "b", "answer": "c"}], "prompt": "d", "expected": "e", "metric": "json", "json_schema": {"type": "object"}, "group": "g"}""");

        Assert.That(item.Turns.Select(turn => (turn.Prompt, turn.Answer)), Is.EqualTo(new[] { ("a", (string?)null), ("b", "c") }));
        Assert.That(item.JsonSchema!.Value.GetProperty("type").GetString(), Is.EqualTo("object"));
    }

    [Test]
    public void Load_OldForm_HasNoTurns()
    {
        EvaluationCase item = Load("""{"id": "1", "images": ["a.png"], "prompt": "d", "expected": "e", "metric": "exact", "group": "g"}""");

        Assert.That(item.Turns, Is.Empty);
        Assert.That(item.JsonSchema, Is.Null);
    }

    [TestCase("""{"id": "1", "prompt": "d", "expected": "e", "metric": "code", "group": "g"}""", "line 1")]
    [TestCase("""{"id": "1", "prompt": "d", "expected": "e", "metric": "bleu", "group": "g"}""", "unknown metric 'bleu'")]
    [TestCase("""{"id": "1", "turns": [{"question": "a"}], "prompt": "d", "expected": "e", "metric": "exact", "group": "g"}""", "question")]
    public void Load_BadLine_SaysWhy(string line, string message) =>
        Assert.That(() => Load(line), Throws.InstanceOf<VlmException>().With.Message.Contains(message));

    [Test]
    public void Load_SetsOfTheRepository_HaveTwoHundredCasesAGroupAndTheirImages()
    {
        string data = Path.Combine(Path.GetDirectoryName(typeof(EvaluationCaseTests).Assembly.Location)!, "..", "..", "..", "..", "data", "eval");
        IReadOnlyList<EvaluationCase> cases = EvaluationCase.Load(data);

        Assert.That(cases.GroupBy(item => item.Group).Select(group => group.Count()), Is.All.GreaterThanOrEqualTo(200));
        Assert.That(cases.SelectMany(item => item.Images).Where(image => !File.Exists(Path.Combine(data, image))), Is.Empty);
        Assert.That(cases.Select(item => item.Id), Is.Unique);
    }

    private EvaluationCase Load(string line)
    {
        File.WriteAllText(Path.Combine(_folder, "cases.jsonl"), line);
        return EvaluationCase.Load(_folder).Single();
    }
}
