using System.Text.Json;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Tests.Imaging;

public sealed class ImagePreprocessorTests
{
    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };
    private static readonly ResizeRule FitRule = new() { Rule = ResizeMode.Fit, Filter = ResizeFilter.Bilinear, MaxPatches = 256, MaxRows = 32, MaxColumns = 32 };
    private static readonly ResizeRule BoxRule = new() { Rule = ResizeMode.ShrinkToBox, Filter = ResizeFilter.Bilinear, MaxWidthPx = 1920, MaxHeightPx = 1080 };
    private static readonly ImageRules Nano = Rules(8, PatchLayout.RowColumnChannel, FitRule, new PaddingRule { Mode = PaddingMode.Edge });
    private static readonly ImageRules Fuyu = Rules(30, PatchLayout.RowColumnChannel, BoxRule, new PaddingRule { Mode = PaddingMode.Constant, Value = 1 });

    [TestCase("w31h29", 1, 2)]
    [TestCase("gray_w64h50", 2, 3)]
    [TestCase("palette_w50h61", 3, 2)]
    public void Process_FuyuReference_GivesTheSamePatches(string name, int rows, int columns)
    {
        PatchGrid grid = new ImagePreprocessor(Fuyu, new ImageLimits()).Process(ImagingData.Read($"fuyu/{name}/image.png"));
        Assert.That((grid.Rows, grid.Columns), Is.EqualTo((rows, columns)));
        Assert.That(grid.Patches.ToArray(), Is.EqualTo(ImagingData.Read($"fuyu/{name}/patches.u8")));
    }

    [Test]
    public void AfterResize_ManySizes_EqualsTheReferenceFormulas()
    {
        SizeCase[] cases = JsonSerializer.Deserialize<SizeCase[]>(ImagingData.Read("sizes.json"), SnakeCase)!;
        Assert.That(cases, Has.Length.GreaterThan(200));
        using (Assert.EnterMultipleScope())
        {
            foreach (SizeCase c in cases)
            {
                Assert.That(ImageSize.AfterResize(FitRule, 8, c.Width, c.Height), Is.EqualTo((c.Fit[0], c.Fit[1])), $"fit {c.Width}×{c.Height}");
                Assert.That(ImageSize.AfterResize(BoxRule, 30, c.Width, c.Height), Is.EqualTo((c.ShrinkToBox[0], c.ShrinkToBox[1])), $"shrink_to_box {c.Width}×{c.Height}");
            }
        }
    }

    [TestCase(100, 50, 144, 72, TestName = "AfterResize_FitMayEnlarge_RoundsDownToWholePatches")]
    [TestCase(160, 80, 176, 88, TestName = "AfterResize_FitMayEnlarge_StaysInTheBudget")]
    [TestCase(250, 20, 250, 20, TestName = "AfterResize_FitMayEnlarge_KeepsWhatWouldLosePixels")]
    [TestCase(7, 7, 8, 8, TestName = "AfterResize_FitMayEnlarge_EnlargesTheSmallest")]
    [TestCase(5, 5, 5, 5, TestName = "AfterResize_FitMayEnlarge_KeepsLessThanAPatch")]
    [TestCase(300, 300, 128, 128, TestName = "AfterResize_FitMayEnlarge_ShrinksAsBefore")]
    public void AfterResize_FitMayEnlarge(int width, int height, int newWidth, int newHeight) =>
        Assert.That(ImageSize.AfterResize(FitRule with { MaxEnlargement = 1.5 }, 8, width, height), Is.EqualTo((newWidth, newHeight)));

    [TestCase(280, 31, 29, 816, 768)]
    [TestCase(70, 2000, 1200, 480, 288)]
    [TestCase(280, 1000, 1, 280 * 48, 48)]
    [TestCase(280, 1, 100, 48, 167 * 48)]
    [TestCase(280, 1, 400, 48, 280 * 48)]
    [TestCase(1120, 1000, 1000, 33 * 48, 33 * 48)]
    public void AfterResize_FillArea_FillsTheBudget(int budget, int width, int height, int newWidth, int newHeight) =>
        Assert.That(ImageSize.AfterResize(new ResizeRule { Rule = ResizeMode.FillArea, Filter = ResizeFilter.Bicubic, MaxPatches = budget }, 48, width, height), Is.EqualTo((newWidth, newHeight)));

    [Test]
    public void AfterResize_FillAreaOfAnySize_StaysInTheBudgetAndNearIt()
    {
        var random = new Random(5);
        for (int round = 0; round < 20_000; round++)
        {
            int p = random.Next(1, 60), budget = random.Next(1, 1200), w = random.Next(1, 1 << random.Next(1, 15)), h = random.Next(1, 1 << random.Next(1, 15));
            (int width, int height) = ImageSize.AfterResize(new ResizeRule { Rule = ResizeMode.FillArea, Filter = ResizeFilter.Bicubic, MaxPatches = budget }, p, w, h);
            int columns = width / p, rows = height / p;
            bool whole = width % p == 0 && height % p == 0 && columns >= 1 && rows >= 1 && (long)columns * rows <= budget;
            bool near = columns == 1 || rows == 1 || (long)(columns + 1) * (rows + 1) >= budget;
            Assert.That(whole && near, $"{w}×{h} px, patch {p}, {budget}: {columns}×{rows} patches");
        }
    }

    [TestCase(96, 144, null)]
    [TestCase(100, 144, "multiples of 48")]
    [TestCase(960, 960, "at most 280 squares")]
    [TestCase(48 * 60, 48, "too elongated")]
    public void AfterResize_Keep_TakesWholePatchesOnly(int width, int height, string? message)
    {
        ResizeRule rule = new() { Rule = ResizeMode.Keep, Filter = ResizeFilter.Bicubic, MaxPatches = 280, MaxColumns = 50, MaxRows = 50 };
        if (message is null)
            Assert.That(ImageSize.AfterResize(rule, 48, width, height), Is.EqualTo((width, height)));
        else
            Assert.That(() => ImageSize.AfterResize(rule, 48, width, height), Throws.TypeOf<InvalidImageException>().With.Message.Contains(message));
    }

    [Test]
    public void AfterResize_SmartResize_EqualsTheReferenceFormula()
    {
        SmartSizeCase[] cases = JsonSerializer.Deserialize<SmartSizeCase[]>(ImagingData.Read("smart_sizes.json"), SnakeCase)!;
        Assert.That(cases, Has.Length.GreaterThan(200));
        using (Assert.EnterMultipleScope())
        {
            foreach (SmartSizeCase c in cases)
                Assert.That(ImageSize.AfterResize(Smart(c.MinPixels, c.MaxPixels), c.Patch, c.Width, c.Height), Is.EqualTo((c.Size[0], c.Size[1])), $"{c}");
        }
    }

    [Test]
    public void AfterResize_SmartResize_NeverExceedsTheMostPatches()
    {
        var random = new Random(4);
        for (int round = 0; round < 20_000; round++)
        {
            int p = random.Next(1, 40), max = random.Next(1, 1 << random.Next(1, 22)), min = random.Next(1, max + 1);
            (int w, int h) = (random.Next(1, 1 << random.Next(1, 15)), random.Next(1, 1 << random.Next(1, 15)));
            if (Math.Max(w, h) > 200 * Math.Min(w, h))
                continue;
            ImageRules rules = Rules(p, PatchLayout.ChannelRowColumn, Smart(min, max), new PaddingRule { Mode = PaddingMode.Edge });
            PatchShape shape = PatchShape.Of(rules, w, h);
            Assert.That(shape.Count, Is.LessThanOrEqualTo(rules.MaxPatches), $"{w}×{h} px, patch {p}, {min} to {max} pixels");
        }
    }

    [TestCase(1000, 5, true)]
    [TestCase(1001, 5, false)]
    [TestCase(5, 1001, false)]
    public void AfterResize_SmartResizeOfElongatedImage_RefusedBeyond200(int width, int height, bool taken) =>
        Assert.That(() => ImageSize.AfterResize(Smart(1, 65536), 32, width, height), taken ? Throws.Nothing : Throws.TypeOf<InvalidImageException>().With.Message.Contains("200 times"));

    [Test]
    public void AfterResize_FitWithAnyLimits_NeverExceedsThem()
    {
        var random = new Random(3);
        for (int round = 0; round < 20_000; round++)
        {
            int p = random.Next(1, 40);
            var rule = new ResizeRule
            {
                Rule = ResizeMode.Fit,
                Filter = ResizeFilter.Bicubic,
                MaxPatches = random.Next(1, 400),
                MaxRows = random.Next(2) == 0 ? null : random.Next(1, 50),
                MaxColumns = random.Next(2) == 0 ? null : random.Next(1, 50),
                MaxEnlargement = random.Next(2) == 0 ? null : 1 + (2 * random.NextDouble()),
            };
            (int w, int h) = (random.Next(1, 1 << random.Next(1, 15)), random.Next(1, 1 << random.Next(1, 15)));
            (int width, int height) = ImageSize.AfterResize(rule, p, w, h);
            int columns = (width + p - 1) / p;
            int rows = (height + p - 1) / p;
            bool within = columns >= 1 && rows >= 1 && columns <= (rule.MaxColumns ?? int.MaxValue) && rows <= (rule.MaxRows ?? int.MaxValue) && columns * rows <= rule.MaxPatches;
            Assert.That(within, $"{w}×{h} px, patch {p}, {rule}: {columns}×{rows} patches");
        }
    }

    [Test]
    public void Process_RandomSizes_EqualsTheNaiveReference([Values] PatchLayout layout, [Values] PaddingMode padding, [Values(1, 7, 8, 16, 37)] int p)
    {
        var random = new Random(p);
        int? value = padding == PaddingMode.Constant ? 200 : null;
        ImageRules rules = Rules(p, layout, FitRule with { MaxPatches = 65536, MaxRows = null, MaxColumns = null }, new PaddingRule { Mode = padding, Value = value });
        var preprocessor = new ImagePreprocessor(rules, new ImageLimits { MinSidePx = 1 }, new FakeDecoder());
        for (int round = 0; round < 25; round++)
        {
            RgbImage image = ImagingData.Noise(random.Next(1, 120), random.Next(1, 120), round);
            PatchGrid grid = preprocessor.Process(image);
            Assert.That(grid.Patches.ToArray(), Is.EqualTo(NaivePatches(image, p, layout, value, out int rows, out int columns)), $"{image.WidthPx}×{image.HeightPx}");
            Assert.That((grid.Rows, grid.Columns, grid.Count), Is.EqualTo((rows, columns, rows * columns)));
        }
    }

    [Test]
    public void Process_RandomSizesDownToTheMinimum_StaysWithinTheRules()
    {
        var random = new Random(1);
        var limits = new ImageLimits();
        var preprocessor = new ImagePreprocessor(Nano, limits, new FakeDecoder());
        for (int round = 0; round < 300; round++)
        {
            int shorter = random.Next(limits.MinSidePx, 100);
            int longer = random.Next(shorter, Math.Min(900, 200 * shorter));
            PatchGrid grid = preprocessor.Process(round % 2 == 0 ? ImagingData.Noise(shorter, longer) : ImagingData.Noise(longer, shorter));
            Assert.That(grid.Rows, Is.InRange(1, 32));
            Assert.That(grid.Columns, Is.InRange(1, 32));
            Assert.That(grid.Count, Is.LessThanOrEqualTo(256));
            Assert.That(grid.Patches.Length, Is.EqualTo(grid.Count * 192));
        }
    }

    [Test]
    public void Process_OutsideTheLimits_ThrowsBeforeDecoding()
    {
        var decoder = new FakeDecoder();
        byte[] huge = ImagingData.Read("decode/rgb.png");
        (huge[18], huge[19], huge[22], huge[23]) = (60000 >> 8, 60000 & 255, 60000 >> 8, 60000 & 255);
        byte[] tiny = ImagingData.Read("decode/rgb.png");
        (tiny[19], tiny[23]) = (1, 1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => new ImagePreprocessor(Nano, new ImageLimits(), decoder).Process(huge), Throws.TypeOf<InvalidImageException>().With.Message.Contains("60000×60000"));
            Assert.That(() => new ImagePreprocessor(Nano, new ImageLimits(), decoder).Process(tiny), Throws.TypeOf<InvalidImageException>().With.Message.Contains("1×1"));
            Assert.That(() => new ImagePreprocessor(Nano, new ImageLimits { MaxBytes = 9 }, decoder).Process(tiny), Throws.TypeOf<InvalidImageException>().With.Message.Contains("MaxBytes"));
            Assert.That(() => new ImagePreprocessor(Nano, new ImageLimits(), decoder).Process(ImagingData.Noise(3, 3)), Throws.TypeOf<InvalidImageException>());
            Assert.That(decoder.Calls, Is.Zero);
        }
    }

    [Test]
    public void Process_FormatTheDecoderDoesNotTake_NamesTheSupportedOnes() =>
        Assert.That(() => new ImagePreprocessor(Nano, new ImageLimits(), new FakeDecoder()).Process(ImagingData.Read("decode/lossy.webp")),
            Throws.TypeOf<InvalidImageException>().With.Message.EqualTo("WebP images are not supported here; send one of PNG, JPEG"));

    [Test]
    public void Constructor_RulesThatContradictThemselves_Throws() =>
        Assert.That(() => new ImagePreprocessor(Nano with { Resize = FitRule with { MaxPatches = null } }, new ImageLimits(), new FakeDecoder()), Throws.ArgumentException);

    private static ResizeRule Smart(int min, int max) => new() { Rule = ResizeMode.SmartResize, Filter = ResizeFilter.Bicubic, MinPixels = min, MaxPixels = max };

    private static ImageRules Rules(int p, PatchLayout layout, ResizeRule resize, PaddingRule padding) => new()
    {
        PatchSize = p,
        PatchLayout = layout,
        Resize = resize,
        Padding = padding,
        HasPositions = false,
        Tokens = new ImageTokens { Placeholder = 1 },
    };

    private static byte[] NaivePatches(RgbImage image, int p, PatchLayout layout, int? constant, out int rows, out int columns)
    {
        rows = (image.HeightPx + p - 1) / p;
        columns = (image.WidthPx + p - 1) / p;
        var patches = new List<byte>();
        for (int patch = 0; patch < rows * columns; patch++)
        {
            for (int i = 0; i < 3 * p * p; i++)
            {
                (int row, int column, int channel) = layout == PatchLayout.RowColumnChannel ? (i / 3 / p, i / 3 % p, i % 3) : (i / p % p, i % p, i / p / p);
                (int y, int x) = (patch / columns * p + row, patch % columns * p + column);
                bool inside = y < image.HeightPx && x < image.WidthPx;
                patches.Add(!inside && constant is int value ? (byte)value : image.Row(Math.Min(y, image.HeightPx - 1))[3 * Math.Min(x, image.WidthPx - 1) + channel]);
            }
        }

        return [.. patches];
    }

    private sealed class FakeDecoder : IImageDecoder
    {
        public int Calls { get; private set; }

        public IReadOnlyList<ImageFormat> Formats { get; } = [ImageFormat.Png, ImageFormat.Jpeg];

        public void Decode(ReadOnlySpan<byte> encoded, ImageHeader header, Span<byte> rgba) => Calls++;
    }

    private sealed record SmartSizeCase(int Width, int Height, int Patch, int MinPixels, int MaxPixels, int[] Size);

    private sealed record SizeCase(int Width, int Height, int[] Fit, int[] ShrinkToBox);
}
