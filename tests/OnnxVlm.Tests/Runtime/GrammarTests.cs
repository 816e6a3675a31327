using System.Text;
using System.Text.Json;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Runtime;

/// <summary>Grammars without a model: random scores over vocabularies of each kind.</summary>
internal sealed class GrammarTests
{
    private const string Literals = """{"enum": ["да", "нет", "дом", "中文", "日本", "日々", "한국어", "👍", "👎", "🇩🇪", "👩‍🚀", "שלום", "مرحبا", "नमस्ते", "ไทย", "ქართული", "Ελλάδα"]}""";

    private static readonly string[] Kinds = ["byte level", "byte fallback", "whole characters", "unigram"];

    [TestCaseSource(nameof(Kinds))]
    public void Choose_LiteralsOfEveryScript_AreAllReached(string kind)
    {
        using GrammarModel model = Create(kind, out Vocabulary vocabulary);
        using Grammar grammar = model.Create(Guidance.JsonSchema(Literals), 100);
        string[] expected = [.. JsonDocument.Parse(Literals).RootElement.GetProperty("enum").EnumerateArray().Select(value => value.GetString()!)];

        foreach (string literal in expected)
        {
            string wanted = $"\"{literal}\"";
            for (int seed = 0; seed < 5; seed++)
            {
                Assert.That(Write(grammar, vocabulary, model, new Random(seed), wanted), Is.EqualTo(wanted));
                grammar.Reset();
                Assert.That(JsonSerializer.Deserialize<string>(Write(grammar, vocabulary, model, new Random(seed))), Is.AnyOf(expected));
                grammar.Reset();
            }
        }
    }

    [Test]
    public void Choose_SeveralEndTokens_TakesTheBestOfThem()
    {
        Vocabulary vocabulary = TestVocabulary.Bytes();
        using GrammarModel model = new(vocabulary, 258, [TestVocabulary.EndId, TestVocabulary.ImageId]);
        using Grammar grammar = model.Create(Guidance.Regex("a*"), 10);
        float[] scores = new float[258];
        scores['b'] = 9;
        scores[TestVocabulary.ImageId] = 5;
        scores['a'] = 6;

        Assert.That(grammar.Choose(scores), Is.EqualTo((int)'a'));
        scores['a'] = 4;
        Assert.That(grammar.Choose(scores), Is.EqualTo(TestVocabulary.ImageId));
    }

    [TestCase("a/b", "a/b")]
    [TestCase(@"a\/[/]\\", @"a//\")]
    [TestCase("a\nb\\n", "a\nb\n")]
    public void Choose_Regex_IsTakenLiterally(string expression, string expected)
    {
        using GrammarModel model = Create("byte level", out Vocabulary vocabulary);
        using Grammar grammar = model.Create(Guidance.Regex(expression), 10);

        Assert.That(Write(grammar, vocabulary, model, new Random(1)), Is.EqualTo(expected));
    }

    [Test]
    public void Create_AndDispose_LeaveNothing()
    {
        int owners = NativeOwner.Count;

        using (GrammarModel model = Create("byte level", out _))
        {
            Assert.That(() => model.Create(Guidance.Regex("("), 10), Throws.ArgumentException.With.Message.StartsWith("The regular expression cannot be used"));
            using Grammar first = model.Create(Guidance.Regex("a"), 10);
            using Grammar second = model.Create(Guidance.Regex("b"), 10);
            Assert.That(NativeOwner.Count, Is.EqualTo(owners + 3));
        }

        Assert.That(NativeOwner.Count, Is.EqualTo(owners));
    }

    [Test]
    public void Folder_Disposed_IsGone()
    {
        GrammarFolder folder = new(TestVocabulary.Bytes(), 258, TestVocabulary.EndId);
        Assert.That(Directory.GetFiles(folder.FullName), Has.Length.EqualTo(3));

        folder.Dispose();

        Assert.That(Directory.Exists(folder.FullName), Is.False);
    }

    [Test]
    public void Create_NoTokenizer_SaysSo()
    {
        using GrammarModel model = new(Vocabulary.None, 258, [TestVocabulary.EndId]);

        Assert.That(() => model.Create(Guidance.Regex("a"), 10), Throws.TypeOf<ModelLoadException>().With.Message.Contains("no tokenizer"));
    }

    [Test]
    public void Choose_EightThreads_EachFollowsItsOwn()
    {
        using GrammarModel model = Create("byte fallback", out Vocabulary vocabulary);

        Parallel.For(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            string text = $"{i}: дом 👍";
            using Grammar grammar = model.Create(Guidance.JsonSchema($$"""{"enum": ["{{text}}", "{{i}}: дым"]}"""), 100);
            Assert.That(Write(grammar, vocabulary, model, new Random(i)), Does.StartWith($"\"{i}: д"));
        });
    }

    // Random tokens, or any of those that go on with the wanted text.
    private static string Write(Grammar grammar, Vocabulary vocabulary, GrammarModel model, Random random, string wanted = "")
    {
        byte[] goal = Encoding.UTF8.GetBytes(wanted);
        List<byte> bytes = [];
        float[] scores = new float[model.Width];
        while (true)
        {
            for (int id = 0; id < scores.Length; id++)
            {
                ReadOnlySpan<byte> token = vocabulary.BytesOf(id).Span;
                bool goesOn = !token.IsEmpty && bytes.Count < goal.Length && goal.AsSpan(bytes.Count).StartsWith(token);
                scores[id] = random.NextSingle() + (goesOn ? 1 : 0);
            }
            int chosen = grammar.Choose(scores);
            if (model.EndTokenIds.Contains(chosen))
                return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString([.. bytes]);
            bytes.AddRange(vocabulary.BytesOf(chosen).Span);
        }
    }

    // Tokens that end in the middle of a character, whole characters, and pieces of several, on top of the bytes.
    private static GrammarModel Create(string kind, out Vocabulary vocabulary)
    {
        if (kind == "byte level")
        {
            vocabulary = TestVocabulary.Bytes();
            return new GrammarModel(vocabulary, 260, [TestVocabulary.EndId]);
        }
        List<string> pieces = ["<unk>", "<end>", .. Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>")];
        if (kind != "byte fallback")
            pieces.AddRange(["\"", ":", "a", "▁", "д", "н", "да", "до", "中", "日", "本", "한", "👍", "🇩", "ש", "नम", "ไ", "Ελ"]);
        object end = new { id = 1, content = "<end>", special = true };
        vocabulary = kind == "unigram"
            ? TestVocabulary.Load(new { model = new { type = "Unigram", unk_id = 0, byte_fallback = true, vocab = pieces.Select(piece => new object[] { piece, -1.5 }) }, added_tokens = new[] { end } })
            : TestVocabulary.Load(new { model = new { type = "BPE", byte_fallback = true, vocab = pieces.Index().ToDictionary(p => p.Item, p => p.Index), merges = Array.Empty<string>() }, added_tokens = new[] { end } });
        return new GrammarModel(vocabulary, vocabulary.Size + 5, [1]);
    }
}
