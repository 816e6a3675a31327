using OnnxVlm.Evaluation.Verification;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Exporting;

/// <summary>A tiny qwen3_5 checkpoint and what its authors' code computes with it: exported, run by the library, and what the state of its recurrent layers asks of the cache.</summary>
internal sealed class QwenGoldenTests
{
    private const int EndOfTurn = 498;

    private static readonly string Checkpoint = Path.Combine(Nano.TestData, "qwen3_5");

    private ExportedCheckpoint? _exported;

    private static IEnumerable<string> Cases => ExportedCheckpoint.CasesOf(Checkpoint);

    private static IEnumerable<string> Images => ExportedCheckpoint.ImagesOf(Checkpoint);

    private ExportedCheckpoint Exported => _exported!;

    private VlmModel Model => Exported.Model;

    [OneTimeSetUp]
    public void Export() => _exported = new ExportedCheckpoint(Checkpoint);

    [OneTimeTearDown]
    public void Delete() => _exported?.Dispose();

    [Test]
    public void Compare_ReferenceCase_SameLogitsAndTokensUnderBothRunners([ValueSource(nameof(Cases))] string name, [Values] Runner runner)
    {
        using VlmModel model = VlmModel.Load(Exported.ModelFolder, new VlmOptions { Runner = runner });
        Comparison found = Verifier.Compare(model, Exported.Case(name));
        TestContext.Out.WriteLine($"max |Δlogit| {found.MaxDifference:E2} over {found.Rows} rows");
        Assert.That(found.MaxDifference, Is.LessThanOrEqualTo(2e-4));
        Assert.That(found.TokensEqual, Is.True);
    }

    [TestCaseSource(nameof(Images))]
    public void Compare_ReferenceImage_SamePixelsUnderBothLimits(string name)
    {
        ImageLimits limits = new() { MinSidePx = 1, MaxAspectRatio = 65535 };
        string folder = Path.Combine(Checkpoint, "preprocess", name);
        foreach ((int min, int max) in new[] { (4096, 262144), (65536, 16777216) })
        {
            ImageRules rules = Model.Manifest.Image with { Resize = Model.Manifest.Image.Resize with { MinPixels = min, MaxPixels = max, LimitPixels = null } };
            string found = PreprocessingCase.Compare(folder, rules, new ImagePreprocessor(rules, limits, new SkiaImageDecoder()));
            TestContext.Out.WriteLine(found);
            Assert.That(found, Does.Contain("pixels equal").Or.Contain("no pixels to compare").Or.StartWith("refused, as the reference does"));
        }
    }

    [TestCaseSource(nameof(Cases))]
    public async Task GenerateAsync_ReferenceCaseTwice_GreedyTokensOfTheReference(string name)
    {
        using VlmModel model = VlmModel.Load(Exported.ModelFolder);
        ReferenceCase reference = Exported.Case(name);
        for (int round = 0; round < 2; round++)
            Assert.That((await GreedyAsync(model, reference.Segments, reference.Tokens.Length)).Tokens, Is.EqualTo(reference.Tokens), $"round {round}");
    }

    [Test]
    public async Task GenerateAsync_ImageInALaterTurn_SameAnswerAsWithoutTheCache()
    {
        using VlmModel model = VlmModel.Load(Exported.ModelFolder), fresh = VlmModel.Load(Exported.ModelFolder, new VlmOptions { CacheBytes = 0 });
        PromptSegment[] first = [.. Exported.Case("one_image").Segments];
        (int[] answer, _) = await GreedyAsync(model, first, 8);
        PromptSegment[] conversation = [.. first, new PromptSegment(answer), .. Exported.Case("two_images").Segments];
        (int[] continued, GenerationStatistics statistics) = await GreedyAsync(model, conversation, 8);
        Assert.That(continued, Is.EqualTo((await GreedyAsync(fresh, conversation, 8)).Tokens));
        Assert.That(statistics.CachedTokens, Is.GreaterThanOrEqualTo(first.Sum(segment => segment.TokenIds.Length)), "it goes on from its end");
    }

    [Test]
    public void RewindTo_AnyPlace_AsReadFromTheStart()
    {
        PromptSegment[] content = [Text(5, 1), .. Exported.Case("one_image").Segments, Text(40, 2), Turn(), Text(30, 3), .. Exported.Case("two_images").Segments, Turn(), Text(20, 4)];
        using VlmSequence sequence = Model.CreateSequence(1000, 64), other = Model.CreateSequence(1000, 64);
        sequence.Append(content);
        HashSet<int> inside = [];
        for (int i = 0, start = 0; i < content.Length; start += content[i++].TokenIds.Length)
        {
            if (content[i].Image is not null)
                inside.UnionWith(Enumerable.Range(start + 1, content[i].TokenIds.Length - 1));
        }

        Random random = new(5);
        for (int length = sequence.Length - 1; length > 0; length -= random.Next(1, 9))
        {
            if (inside.Contains(length))
            {
                Assert.That(() => sequence.RewindTo(length), Throws.ArgumentException);
                continue;
            }

            sequence.RewindTo(length);
            Assert.That(sequence.Length, Is.EqualTo(length));
            sequence.Append(Text(2, length));
            other.RewindTo(0);
            other.Append([.. Cut(content, length), Text(2, length)]);
            Assert.That(Largest(sequence.NextLogits(), other.NextLogits()), Is.LessThanOrEqualTo(1e-4), $"after a rewind to {length}");
            sequence.RewindTo(length);
        }
    }

    [Test]
    public async Task GenerateAsync_RequestsSideBySide_EachAsAlone()
    {
        using VlmModel together = VlmModel.Load(Exported.ModelFolder), alone = VlmModel.Load(Exported.ModelFolder, new VlmOptions { CacheBytes = 0 });
        PromptSegment[] common = [.. Exported.Case("one_image").Segments, Turn(), Text(50, 7), Turn()];
        PromptSegment[][] prompts = [.. Enumerable.Range(0, 8).Select(i => i % 2 == 0 ? [.. common, Text(3 + (5 * i), i)] : (PromptSegment[])[Text(10 + (11 * i), i), .. Exported.Case("two_images").Segments, Turn(), Text(i, 9)])];
        (int[] Tokens, GenerationStatistics Statistics)[] found = await Task.WhenAll(prompts.Select(prompt => Task.Run(() => GreedyAsync(together, prompt, 24))));
        for (int i = 0; i < prompts.Length; i++)
            Assert.That(found[i].Tokens, Is.EqualTo((await GreedyAsync(alone, prompts[i], 24)).Tokens), $"prompt {i}");
    }

    /// <summary>The reasoning of an answer is not in the history, so that each turn goes back to before the answer.</summary>
    [Test]
    public async Task GenerateAsync_ConversationOfThirtyTurnsWithImages_ReadsLittleAgain()
    {
        using VlmModel model = VlmModel.Load(Exported.ModelFolder), fresh = VlmModel.Load(Exported.ModelFolder, new VlmOptions { CacheBytes = 0 });
        PromptSegment header = new(new[] { 10, 11, 12 }), thinking = new(new[] { 13, 14 });
        PromptSegment image = Exported.Case("one_image").Segments.First(segment => segment.Image is not null);
        List<PromptSegment> history = [];
        long all = 0, again = 0;
        int shared = 0;
        for (int turn = 0; turn < 30; turn++)
        {
            history.Add(Text(12 + turn, turn));
            if (turn % 3 == 0)
                history.Add(image);
            history.AddRange([Text(20, 100 + turn), Turn(), header]);
            PromptSegment[] prompt = [.. history, thinking];
            (int[] answer, GenerationStatistics statistics) = await GreedyAsync(model, prompt, 12);
            if (turn % 10 == 9)
                Assert.That(answer, Is.EqualTo((await GreedyAsync(fresh, prompt, 12)).Tokens), $"turn {turn}");
            all += statistics.PromptTokens - statistics.CachedTokens;
            again += shared - Math.Min(shared, statistics.CachedTokens);
            shared = history.Sum(segment => segment.TokenIds.Length);
            history.AddRange([new PromptSegment(answer.AsMemory(5)), Turn()]);
        }

        TestContext.Out.WriteLine($"{again} of {all} tokens that were read were read again: {(double)again / all:P1}");
        Assert.That((double)again / all, Is.LessThanOrEqualTo(0.1));
    }

    private static PromptSegment Text(int tokens, int seed)
    {
        Random random = new(seed);
        return new PromptSegment(Enumerable.Range(0, tokens).Select(_ => random.Next(20, 480)).ToArray());
    }

    private static PromptSegment Turn() => new(new[] { EndOfTurn });

    private static IEnumerable<PromptSegment> Cut(IEnumerable<PromptSegment> segments, int length)
    {
        foreach (PromptSegment segment in segments)
        {
            int kept = Math.Min(length, segment.TokenIds.Length);
            if (kept > 0)
                yield return segment with { TokenIds = segment.TokenIds[..kept] };
            length -= kept;
        }
    }

    private static double Largest(float[] found, float[] expected) => found.Zip(expected, (a, b) => double.IsNaN(a) ? double.PositiveInfinity : Math.Abs((double)a - b)).Max();

    private static async Task<(int[] Tokens, GenerationStatistics Statistics)> GreedyAsync(VlmModel model, IReadOnlyList<PromptSegment> segments, int tokens)
    {
        List<GenerationUpdate> updates = await model.GenerateAsync(new Prompt(segments), new GenerationOptions { MaxNewTokens = tokens, Temperature = 0 }).ToListAsync();
        return ([.. updates.Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value)], updates[^1].Statistics!);
    }
}
