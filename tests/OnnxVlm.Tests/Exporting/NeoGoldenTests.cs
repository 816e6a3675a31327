using OnnxVlm.Evaluation.Verification;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Exporting;

/// <summary>A tiny neo_chat checkpoint and what the reference code (EvolvingLMMs-Lab/NEO, executed) computes with it: exported, run by the library and compared.</summary>
internal sealed class NeoGoldenTests
{
    private static readonly string Checkpoint = Path.Combine(Nano.TestData, "neo");

    private static readonly ImageRules Rules = new()
    {
        PatchSize = 32,
        PatchLayout = PatchLayout.ChannelRowColumn,
        Resize = Resize(4096, 262144),
        Padding = new PaddingRule { Mode = PaddingMode.Edge },
        Alpha = AlphaMode.WhiteIfTransparent,
        HasPositions = true,
        SharesTextPosition = true,
        BidirectionalAttention = true,
        Tokens = new ImageTokens { Placeholder = 500, Begin = 501, End = 502, TextAfter = "\n" },
    };

    private ExportedCheckpoint? _exported;

    private static IEnumerable<string> Cases => ExportedCheckpoint.CasesOf(Checkpoint);

    private static IEnumerable<string> Images => ExportedCheckpoint.ImagesOf(Checkpoint);

    private ExportedCheckpoint Exported => _exported!;

    private VlmModel Model => Exported.Model;

    [OneTimeSetUp]
    public void Export() => _exported = new ExportedCheckpoint(Checkpoint);

    [OneTimeTearDown]
    public void Delete() => _exported?.Dispose();

    [TestCaseSource(nameof(Cases))]
    public void Compare_ReferenceCase_SameLogitsAndTokens(string name) => Exported.ExpectReference(name);

    [TestCaseSource(nameof(Cases))]
    public async Task GenerateAsync_ReferenceCaseTwice_GreedyTokensOfTheReferenceAlsoFromTheCache(string name)
    {
        using VlmModel model = VlmModel.Load(Exported.ModelFolder);
        ReferenceCase reference = Exported.Case(name);
        for (int round = 0; round < 2; round++)
        {
            (int[] tokens, GenerationStatistics statistics) = await GreedyAsync(model, reference.Segments, reference.Tokens.Length);
            Assert.That(tokens, Is.EqualTo(reference.Tokens), $"round {round}");
            Assert.That(statistics.CachedTokens, round == 0 ? Is.Zero : Is.GreaterThan(0));
        }
    }

    [Test]
    public async Task GenerateAsync_ImageInALaterTurn_SameAnswerAsWithoutTheCache()
    {
        ReferenceCase first = Exported.Case("one_image"), second = Exported.Case("two_images");
        using VlmModel model = VlmModel.Load(Exported.ModelFolder), fresh = VlmModel.Load(Exported.ModelFolder, new VlmOptions { CacheBytes = 0 });
        (int[] answer, _) = await GreedyAsync(model, first.Segments, 8);
        PromptSegment[] conversation = [.. first.Segments, new PromptSegment(answer), .. second.Segments];

        (int[] continued, GenerationStatistics statistics) = await GreedyAsync(model, conversation, 8);
        (int[] expected, _) = await GreedyAsync(fresh, conversation, 8);

        Assert.That(continued, Is.EqualTo(expected));
        Assert.That(statistics.CachedTokens, Is.GreaterThanOrEqualTo(first.Segments.Sum(segment => segment.TokenIds.Length)));
    }

    [Test]
    public void Manifest_OfTheCheckpoint_HasTheRulesThatTheImagesAreComparedWith() => Assert.That(Model.Manifest.Image, Is.EqualTo(Rules));

    [TestCaseSource(nameof(Images))]
    public void Compare_ReferenceImage_SamePixelsUnderBothLimits(string name)
    {
        ImageRules usual = Rules with { Resize = Resize(65536, 4194304) };
        foreach (ImageRules rules in new[] { Rules, usual })
        {
            ImagePreprocessor preprocessor = new(rules, new ImageLimits { MinSidePx = 1, MaxAspectRatio = 65535 });
            string found = PreprocessingCase.Compare(Path.Combine(Checkpoint, "preprocess", name), rules, preprocessor);
            TestContext.Out.WriteLine(found);
            Assert.That(found, Does.Contain("pixels equal").Or.StartWith("refused, as the reference does"));
        }
    }

    [Test]
    public void Compare_OtherLimits_AreNotInTheReference() =>
        Assert.That(PreprocessingCase.FoldersOf(Checkpoint, Rules with { Resize = Resize(4096, 4097) }), Is.Empty);

    private static async Task<(int[] Tokens, GenerationStatistics Statistics)> GreedyAsync(VlmModel model, IReadOnlyList<PromptSegment> segments, int tokens)
    {
        List<GenerationUpdate> updates = await model.GenerateAsync(new Prompt(segments), new GenerationOptions { MaxNewTokens = tokens, Temperature = 0 }).ToListAsync();
        return ([.. updates.Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value)], updates[^1].Statistics!);
    }

    private static ResizeRule Resize(int minPixels, int maxPixels) => new() { Rule = ResizeMode.SmartResize, Filter = ResizeFilter.Bicubic, MinPixels = minPixels, MaxPixels = maxPixels };
}
