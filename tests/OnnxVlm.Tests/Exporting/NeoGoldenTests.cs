using OnnxVlm.Cli.Verification;
using OnnxVlm.Export;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;

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
        SharesTime = true,
        Tokens = new ImageTokens { Placeholder = 500, Begin = 501, End = 502, TextAfter = "\n" },
    };

    private string _folder = "";
    private VlmModel _model = null!;

    private static IEnumerable<string> Cases => ReferenceCase.FoldersOf(Checkpoint).Select(folder => Path.GetFileName(folder));

    private static IEnumerable<string> Images => Directory.GetDirectories(Path.Combine(Checkpoint, "preprocess")).Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal);

    [OneTimeSetUp]
    public void Export()
    {
        _folder = Directory.CreateTempSubdirectory("onnxvlm-neo-").FullName;
        string output = Path.Combine(_folder, "out");
        Exporter.Export(new ExportOptions { CheckpointFolder = Checkpoint, OutputFolder = output });
        _model = VlmModel.Load(output);
    }

    [OneTimeTearDown]
    public void Delete()
    {
        _model?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [TestCaseSource(nameof(Cases))]
    public void Compare_ReferenceCase_SameLogitsAndTokens(string name)
    {
        Comparison found = Verifier.Compare(_model, ReferenceCase.Load(Path.Combine(Checkpoint, "cases", name), _model));

        TestContext.Out.WriteLine($"max |Δlogit| {found.MaxDifference:E2} over {found.Rows} rows");
        Assert.That(found.MaxDifference, Is.LessThanOrEqualTo(1e-4));
        Assert.That(found.TokensEqual, Is.True);
    }

    [Test]
    public void Manifest_OfTheCheckpoint_HasTheRulesThatTheImagesAreComparedWith() => Assert.That(_model.Manifest.Image, Is.EqualTo(Rules));

    [TestCaseSource(nameof(Images))]
    public void Compare_ReferenceImage_SamePixelsUnderBothLimits(string name)
    {
        ImageRules usual = Rules with { Resize = Resize(65536, 4194304) };
        using OrtImageDecoder decoder = new();
        foreach (ImageRules rules in new[] { Rules, usual })
        {
            ImagePreprocessor preprocessor = new(rules, new ImageLimits { MinSidePx = 1, MaxAspectRatio = 65535 }, decoder);
            string found = PreprocessingCase.Compare(Path.Combine(Checkpoint, "preprocess", name), rules, preprocessor);
            TestContext.Out.WriteLine(found);
            Assert.That(found, Does.Contain("pixels equal").Or.StartWith("refused, as the reference does"));
        }
    }

    [Test]
    public void Compare_OtherLimits_AreNotInTheReference() =>
        Assert.That(PreprocessingCase.FoldersOf(Checkpoint, Rules with { Resize = Resize(4096, 4097) }), Is.Empty);

    private static ResizeRule Resize(int minPixels, int maxPixels) => new() { Rule = ResizeMode.SmartResize, Filter = ResizeFilter.Bicubic, MinPixels = minPixels, MaxPixels = maxPixels };
}
