using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Tests.Imaging;

public sealed class TransparencyTests
{
    private const int WidthPx = 13, HeightPx = 9;

    [Test]
    public void Decode_NoRule_DropsTransparencyAndSaysSo()
    {
        byte[] rgba = Noise();
        RgbImage image = Decode(rgba, rule: null);
        Assert.That(image.Pixels.ToArray(), Is.EqualTo(Colours(rgba)));
        Assert.That(image.DropsTransparency);
    }

    [Test]
    public void Decode_NoRuleAndOpaque_SaysNothing()
    {
        byte[] rgba = WithAlpha(Noise(), _ => 255);
        Assert.That(Decode(rgba, rule: null).DropsTransparency, Is.False);
        Assert.That(Decode(rgba, rule: null, blends: true).Pixels.ToArray(), Is.EqualTo(Colours(rgba)));
    }

    [Test]
    public void Decode_UserWantsWhite_IsLaidOverWhite([Values] bool hasRule)
    {
        byte[] rgba = Noise();
        RgbImage image = Decode(rgba, hasRule ? AlphaMode.WhiteIfTransparent : null, blends: true);
        AssertOverWhite(image, rgba);
    }

    [Test]
    public void Decode_RuleWithSomeWhollyTransparent_IsLaidOverWhite()
    {
        byte[] rgba = Noise();
        (rgba[3], rgba[7]) = (0, 1);
        AssertOverWhite(Decode(rgba, AlphaMode.WhiteIfTransparent), rgba);
    }

    [Test]
    public void Decode_RuleWithNoneOrAllWhollyTransparent_ColoursAsTheyAre([Values] bool all)
    {
        byte[] rgba = WithAlpha(Noise(), alpha => all ? (byte)0 : Math.Max(alpha, (byte)1));
        RgbImage image = Decode(rgba, AlphaMode.WhiteIfTransparent);
        Assert.That(image.Pixels.ToArray(), Is.EqualTo(Colours(rgba)));
        Assert.That(image.DropsTransparency);
    }

    [Test]
    public void Decode_RuleWithoutAChannel_ColoursAsTheyAre()
    {
        RgbImage grey = new ImagePreprocessor(ImagingData.Rules with { Alpha = AlphaMode.WhiteIfTransparent }, new ImageLimits()).Decode(ImagingData.Read("decode/grey_alpha.png"));
        Assert.That(grey.Pixels.ToArray(), Is.EqualTo(ImagingData.Read("decode/grey_alpha.png.rgb")));
    }

    [TestCase("forms/rgba16.png", true)]
    [TestCase("forms/grey_alpha16.png", true)]
    [TestCase("forms/lossless_soft.webp", true)]
    [TestCase("forms/bitfields32_alpha.bmp", true)]
    [TestCase("forms/palette_alpha.png", false)]
    [TestCase("forms/transparent.gif", false)]
    public void Decode_RuleByFile_BlendsWherePillowHasAChannel(string file, bool blends)
    {
        byte[] encoded = ImagingData.Read(file);
        RgbImage byRule = new ImagePreprocessor(ImagingData.Rules with { Alpha = AlphaMode.WhiteIfTransparent }, new ImageLimits()).Decode(encoded);
        RgbImage white = new ImagePreprocessor(ImagingData.Rules, new ImageLimits(), blendsAlpha: true).Decode(encoded);
        Assert.That(ImagingData.LargestDifference(byRule, white) == 0, Is.EqualTo(blends));
        Assert.That(byRule.DropsTransparency, Is.Not.EqualTo(blends));
    }

    [Test]
    public void Process_TransparentAndTurned_PatchesSayIt()
    {
        ImagePreprocessor preprocessor = new(ImagingData.Rules with { Resize = ImagingData.Rules.Resize with { MaxPatches = 4 } }, new ImageLimits());
        Assert.That(preprocessor.Process(ImagingData.Read("decode/rgba.png")).DropsTransparency);
        Assert.That(preprocessor.Process(ImagingData.Read("decode/rgb.png")).DropsTransparency, Is.False);
        Assert.That(new RgbImage(1, 2, new byte[6]) { DropsTransparency = true }.Turn(ImageOrientation.Rotate90).DropsTransparency);
    }

    private static void AssertOverWhite(RgbImage image, byte[] rgba)
    {
        byte[] pixels = image.Pixels.ToArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(image.DropsTransparency, Is.False);
            for (int i = 0; i < pixels.Length; i++)
            {
                double alpha = rgba[(i / 3 * 4) + 3] / 255.0, exact = (rgba[(i / 3 * 4) + (i % 3)] * alpha) + (255 * (1 - alpha));
                Assert.That(pixels[i], Is.EqualTo(exact).Within(0.51), $"pixel {i / 3}, channel {i % 3}");
            }
        }
    }

    private static RgbImage Decode(byte[] rgba, AlphaMode? rule, bool blends = false)
    {
        byte[] png = ImagingData.Read("decode/rgb.png");
        (png[19], png[23]) = (WidthPx, HeightPx);
        return new ImagePreprocessor(ImagingData.Rules with { Alpha = rule }, new ImageLimits(), new PixelsDecoder(rgba), blends).Decode(WithColourType(png, 6));
    }

    private static byte[] WithColourType(byte[] png, byte type)
    {
        png[25] = type;
        return png;
    }

    private static byte[] Noise()
    {
        byte[] rgba = new byte[4 * WidthPx * HeightPx];
        new Random(5).NextBytes(rgba);
        return rgba;
    }

    private static byte[] Colours(byte[] rgba) => [.. rgba.Where((_, i) => i % 4 != 3)];

    private static byte[] WithAlpha(byte[] rgba, Func<byte, byte> change)
    {
        for (int i = 3; i < rgba.Length; i += 4)
            rgba[i] = change(rgba[i]);
        return rgba;
    }

    /// <summary>Gives the same pixels for every file.</summary>
    private sealed class PixelsDecoder(byte[] pixels) : IImageDecoder
    {
        public IReadOnlyList<ImageFormat> Formats { get; } = [ImageFormat.Png];

        public void Decode(ReadOnlySpan<byte> encoded, ImageHeader header, Span<byte> rgba) => pixels.CopyTo(rgba);
    }
}
