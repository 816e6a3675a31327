using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using OnnxVlm.Evaluation.Programs;

namespace OnnxVlm.Tests.CommandLine;

/// <summary>Answers that are code: compiled, run and compared. The tests of Python expect "not run" where the machine has no Python.</summary>
internal sealed class ProgramScorerTests
{
    private const string Add = """{"language": "csharp", "function": "Add", "cases": [[[1, 2], 3], [[0, -4], -4]]}""";
    private const string AddPython = """{"language": "python", "function": "add", "cases": [[[1, 2], 3], [[0, -4], -4]]}""";

    private static readonly ProgramScorer Scorer = new();
    private static readonly bool HasPython = PythonInterpreter.Find() is not null;

    [TestCase("public static int Add(int a, int b) => a + b;", 1)]
    [TestCase("static long Add(long x, long y) { return x + y; }", 1)]
    [TestCase("int Add(int a, int b) => a + b;", 1)]
    [TestCase("```csharp\npublic static int Add(int a, int b) => a + b;\n```", 1)]
    [TestCase("using System.Numerics;\npublic class Sums { public static T Other<T>(T a) => a; public static double Add(double a, double b) => a + b; }", 1)]
    [TestCase("public static int Add(int a, int b) => a - b;", 0)]
    [TestCase("public static int Sum(int a, int b) => a + b;", 0)]
    [TestCase("public static int Add(int a, int b) => a + ;", 0)]
    [TestCase("public static int Add(int a) => a;", 0)]
    [TestCase("public static int Add(int a, int b) => throw new InvalidOperationException();", 0)]
    [TestCase("public static int Add(int a, int b) => Add(a, b);", 0)]
    [TestCase("I cannot answer that.", 0)]
    [TestCase("", 0)]
    public async Task ScoreAsync_CSharp_RunsIt(string answer, double score) =>
        Assert.That(await Scorer.ScoreAsync(ProgramTask.Parse(Add), answer), Is.EqualTo(score));

    [TestCase("def add(a, b): return a + b", 1)]
    [TestCase("import math\ndef add(a, b):\n    return math.fsum([a, b])", 1)]
    [TestCase("def add(a, b): return a - b", 0)]
    [TestCase("def total(a, b): return a + b", 0)]
    [TestCase("def add(a, b) return a + b", 0)]
    [TestCase("def add(a, b): return 1 / 0", 0)]
    [TestCase("def add(a, b): return float('nan')", 0)]
    public async Task ScoreAsync_Python_RunsItWherePythonIs(string answer, double score) =>
        Assert.That(await Scorer.ScoreAsync(ProgramTask.Parse(AddPython), answer), Is.EqualTo(HasPython ? score : null));

    /// <summary>What export/training teaches the model to write, of each kind and in both languages.</summary>
    [Test]
    public async Task ScoreAsync_AnswersOfTheTraining_AreRight()
    {
        string path = Path.Combine(Path.GetDirectoryName(typeof(ProgramScorerTests).Assembly.Location)!, "..", "..", "..", "..", "data", "eval", "code-answers.jsonl");
        ConcurrentBag<string> wrong = [];
        await Parallel.ForEachAsync(File.ReadLines(path), async (line, cancellationToken) =>
        {
            JsonElement item = JsonElement.Parse(line);
            ProgramTask task = ProgramTask.Parse(item.GetProperty("expected").GetString()!);
            string answer = item.GetProperty("answer").GetString()!;
            if (await Scorer.ScoreAsync(task, answer, cancellationToken) is 0)
                wrong.Add(answer);
        });

        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public async Task ScoreAsync_WithoutPython_IsNotRun()
    {
        ProgramScorer scorer = new(findPython: () => null);

        Assert.That(await scorer.ScoreAsync(ProgramTask.Parse(AddPython), "def add(a, b): return a + b"), Is.Null);
        Assert.That(await scorer.ScoreAsync(ProgramTask.Parse(Add), "public static int Add(int a, int b) => a + b;"), Is.EqualTo(1));
    }

    [TestCase(Add, "public static int Add(int a, int b) { while (true) { } }")]
    [TestCase(AddPython, "def add(a, b):\n    while True: print('x' * 1000)")]
    public async Task ScoreAsync_EndlessLoop_IsKilledAndWrong(string expected, string answer)
    {
        ProgramTask task = ProgramTask.Parse(expected);
        ProgramScorer scorer = new(TimeSpan.FromSeconds(1));
        Stopwatch watch = Stopwatch.StartNew();

        Assert.That(await scorer.ScoreAsync(task, answer), Is.EqualTo(task.Language == ProgramTask.CSharp || HasPython ? 0 : null));
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(20)));
    }

    [Test]
    public void ScoreAsync_Cancelled_Throws()
    {
        using CancellationTokenSource source = new(TimeSpan.FromSeconds(1));

        Assert.That(async () => await Scorer.ScoreAsync(ProgramTask.Parse(Add), "public static int Add(int a, int b) { while (true) { } }", source.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [TestCase("char", "public static char First(string s) => s[0];", """[[["abc"], "a"]]""")]
    [TestCase("array", "public static int[] First(List<int> s) => s.Where(x => x > 1).ToArray();", "[[[[1, 2, 3]], [2, 3]]]")]
    [TestCase("sequence", "public static IEnumerable<string> First(string[] s) => s.Reverse();", """[[[["a", "b"]], ["b", "a"]]]""")]
    [TestCase("quotient", "public static double First(int[] s) => s.Average();", "[[[[1, 2, 2]], 1.6666666666666667]]")]
    [TestCase("bool", "public static bool First(int s) => s > 0;", "[[[1], true], [[0], false]]")]
    public async Task ScoreAsync_CSharpTypes_BecomeJson(string name, string answer, string cases) =>
        Assert.That(await Scorer.ScoreAsync(ProgramTask.Parse($$"""{"language": "csharp", "cases": {{cases}}}"""), answer), Is.EqualTo(1), name);

    [Test]
    public async Task ScoreAsync_Always_LeavesNoFolderAndPassesNoEnvironment()
    {
        const string Answer = """
            public static bool Look(string report)
            {
                System.IO.File.WriteAllText(report, Environment.CurrentDirectory);
                return Environment.GetEnvironmentVariable("ONNXVLM_TEST_SECRET") is null && Console.In.ReadToEnd() == "";
            }
            """;
        string report = Path.GetTempFileName();
        Environment.SetEnvironmentVariable("ONNXVLM_TEST_SECRET", "x");
        ProgramTask task = ProgramTask.Parse($$"""{"language": "csharp", "function": "Look", "cases": [[[{{JsonSerializer.Serialize(report)}}], true]]}""");

        Assert.That(await Scorer.ScoreAsync(task, Answer), Is.EqualTo(1));
        string folder = await File.ReadAllTextAsync(report);
        Assert.That(folder, Does.Contain("onnxvlm-eval-"));
        Assert.That(Directory.Exists(folder), Is.False);
        File.Delete(report);
    }

    [TestCase("""{"language": "cobol", "cases": [[[], 1]]}""")]
    [TestCase("""{"language": "python", "cases": []}""")]
    [TestCase("""{"language": "python", "cases": [[1, 1]]}""")]
    [TestCase("""{"language": "python", "cases": [[[], 1]], "other": 1}""")]
    [TestCase("null")]
    public void Parse_NotATask_Throws(string expected) => Assert.That(() => ProgramTask.Parse(expected), Throws.InstanceOf<JsonException>());
}
