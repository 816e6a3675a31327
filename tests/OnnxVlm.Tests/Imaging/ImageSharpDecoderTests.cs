using OnnxVlm.Imaging;
using OnnxVlm.ImageSharp;

namespace OnnxVlm.Tests.Imaging;

/// <summary>Compiled only where NuGet serves SixLabors.ImageSharp.</summary>
public sealed class ImageSharpDecoderTests
{
    private readonly ImageSharpDecoder _decoder = new();

    [TestCase("rgb.png", 0)]
    [TestCase("grey.png", 0)]
    [TestCase("palette.png", 0)]
    [TestCase("bilevel.png", 0)]
    [TestCase("rgb16.png", 0)]
    [TestCase("grey16.png", 0)]
    [TestCase("interlaced.png", 0)]
    [TestCase("picture.gif", 0)]
    [TestCase("picture.bmp", 0)]
    [TestCase("lossless.webp", 0)]
    [TestCase("lossy.webp", 2)]
    [TestCase("baseline.jpg", 2)]
    [TestCase("grey.jpg", 2)]
    [TestCase("cmyk.jpg", 2)]
    [TestCase("subsampled.jpg", 60)] // chroma at sharp edges is interpolated differently
    [TestCase("progressive.jpg", 60)]
    public void Decode_EachForm_EqualsPillow(string file, int tolerance) =>
        Assert.That(ImagingData.LargestDifference(Decode($"decode/{file}"), ImagingData.ReadRgb($"decode/{file}.rgb")), Is.LessThanOrEqualTo(tolerance));

    [Test]
    public void Decode_Alpha_IsBlendedOverWhite()
    {
        RgbImage blended = Decode("decode/rgba.png");
        RgbImage opaque = ImagingData.ReadRgb("decode/rgba.png.rgb");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(blended.Row(8)[..3].ToArray(), Is.All.EqualTo(255), "alpha 0");
            Assert.That(blended.Row(8)[^3..].ToArray(), Is.EqualTo(opaque.Row(8)[^3..].ToArray()), "alpha 255");
        }
    }

    [Test]
    public void Decode_ExifOrientation_IsLeftToTheCaller() =>
        Assert.That(Decode("orientation/6.jpg").WidthPx, Is.EqualTo(16));

    [Test]
    public void Decode_DamagedData_ThrowsWithoutInternals()
    {
        byte[] png = ImagingData.Read("decode/rgb.png");
        png.AsSpan(45, 30).Fill(0x5A);
        Assert.That(() => _decoder.Decode(png, ImageHeader.Read(png)),
            Throws.TypeOf<InvalidImageException>().With.Message.EqualTo("damaged PNG image: its data cannot be decoded; send another file"));
    }

    private RgbImage Decode(string file)
    {
        byte[] encoded = ImagingData.Read(file);
        return _decoder.Decode(encoded, ImageHeader.Read(encoded));
    }
}
