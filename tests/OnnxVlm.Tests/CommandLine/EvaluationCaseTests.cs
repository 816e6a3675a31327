using System.IO.Compression;
using OnnxVlm.Evaluation.Cases;

namespace OnnxVlm.Tests.CommandLine;

/// <summary>Lines of cases.jsonl.</summary>
internal sealed class EvaluationCaseTests
{
    private const string Case = """{"id": "1", "images": ["images/a.png"], "prompt": "d", "expected": "e", "metric": "exact", "group": "g"}""";

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
        using EvaluationSet set = new(data);
        IReadOnlyList<EvaluationCase> cases = set.Cases;

        Assert.That(cases.GroupBy(item => item.Group).Select(group => group.Count()), Is.All.GreaterThanOrEqualTo(200));
        Assert.That(cases.SelectMany(item => item.Images).Select(image => set.ReadImage(image, 1 << 20).Length), Is.All.GreaterThan(50));
        Assert.That(cases.Select(item => item.Id), Is.Unique);
    }

    [TestCase(true)]
    [TestCase(false)]
    public void ReadImage_FromTheArchiveOrTheFolder_SameBytes(bool isArchived)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "images"));
        File.WriteAllBytes(Path.Combine(_folder, "images", "a.png"), [1, 2, 3]);
        if (isArchived)
        {
            ZipFile.CreateFromDirectory(Path.Combine(_folder, "images"), Path.Combine(_folder, "images.zip"), CompressionLevel.NoCompression, includeBaseDirectory: true);
            Directory.Delete(Path.Combine(_folder, "images"), recursive: true);
        }
        File.WriteAllText(Path.Combine(_folder, "cases.jsonl"), Case);
        using EvaluationSet set = new(_folder);

        Assert.That(set.ReadImage("images/a.png", 3), Is.EqualTo(new byte[] { 1, 2, 3 }));
        Assert.That(() => set.ReadImage("images/a.png", 2), Throws.TypeOf<VlmException>().With.Message.Contains("3 bytes"));
        Assert.That(() => set.ReadImage("images/b.png", 3), Throws.TypeOf<VlmException>().With.Message.Contains("images/b.png"));
    }

    [Test]
    public void Open_DamagedArchive_SaysWhich()
    {
        File.WriteAllText(Path.Combine(_folder, "cases.jsonl"), Case);
        File.WriteAllText(Path.Combine(_folder, "images.zip"), "no zip");

        Assert.That(() => new EvaluationSet(_folder), Throws.TypeOf<VlmException>().With.Message.Contains("images.zip"));
    }

    private EvaluationCase Load(string line)
    {
        File.WriteAllText(Path.Combine(_folder, "cases.jsonl"), line);
        using EvaluationSet set = new(_folder);
        return set.Cases.Single();
    }
}
