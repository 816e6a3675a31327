using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Tests.Imaging;

internal sealed class PatchShapeTests
{
    private static readonly ImageTokens AllTokens = new() { Placeholder = 1, RowEnd = 2, Begin = 3, End = 4 };

    [TestCase(64, 32, 4, 8)]
    [TestCase(65, 1, 1, 9)]
    [TestCase(800, 400, 5, 10)]
    [TestCase(8000, 8, 1, 20)]
    public void Of_Fit_FollowsTheRule(int width, int height, int rows, int columns) =>
        Assert.That(PatchShape.Of(Rules(), width, height), Is.EqualTo(new PatchShape(rows, columns)));

    [Test]
    public void Of_RandomSizes_IsWhatThePreprocessorCuts()
    {
        Random random = new(8);
        ImagePreprocessor preprocessor = new(Rules(), new ImageLimits(), new NoDecoder());
        for (int round = 0; round < 200; round++)
        {
            (int width, int height) = (random.Next(4, 300), random.Next(4, 300));
            PatchGrid grid = preprocessor.Process(new RgbImage(width, height, new byte[3 * width * height]));
            Assert.That(PatchShape.Of(Rules(), width, height), Is.EqualTo(new PatchShape(grid.Rows, grid.Columns)), $"{width}×{height}");
        }
    }

    [Test]
    public void TokenCount_CountsWhatTheModelHas()
    {
        PatchShape shape = new(3, 4);

        Assert.That(shape.TokenCount(AllTokens), Is.EqualTo(12 + 3 + 2));
        Assert.That(shape.TokenCount(AllTokens with { Begin = null }), Is.EqualTo(12 + 3 + 1));
        Assert.That(shape.TokenCount(new ImageTokens { Placeholder = 1 }), Is.EqualTo(12));
    }

    [Test]
    public void Of_SideBelowOne_Throws() => Assert.That(() => PatchShape.Of(Rules(), 0, 5), Throws.InstanceOf<ArgumentOutOfRangeException>());

    private static ImageRules Rules() => new()
    {
        PatchSize = 8,
        PatchLayout = PatchLayout.RowColumnChannel,
        Resize = new ResizeRule { Rule = ResizeMode.Fit, Filter = ResizeFilter.Bilinear, MaxPatches = 60, MaxRows = 10, MaxColumns = 20 },
        Padding = new PaddingRule { Mode = PaddingMode.Edge },
        HasPositions = false,
        Tokens = AllTokens,
    };

    private sealed class NoDecoder : IImageDecoder
    {
        public IReadOnlyList<ImageFormat> Formats => [];

        public void Decode(ReadOnlySpan<byte> encoded, ImageHeader header, Span<byte> rgba) => throw new NotSupportedException();
    }
}
