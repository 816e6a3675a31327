using OnnxVlm.Benchmarks;
using OnnxVlm.Imaging;
using OnnxVlm.ImageSharp;

namespace OnnxVlm.Tests.Imaging;

public sealed class ImageSharpDecoderTests
{
    private static readonly ImagePreprocessor Preprocessor = new(ImagingData.Rules, new ImageLimits(), new ImageSharpDecoder());

    [TestCase("rgb.png", 0)]
    [TestCase("grey.png", 0)]
    [TestCase("palette.png", 0)]
    [TestCase("bilevel.png", 0)]
    [TestCase("rgba.png", 0)]
    [TestCase("rgb16.png", 0)]
    [TestCase("grey16.png", 0)]
    [TestCase("picture.gif", 0)]
    [TestCase("lossless.webp", 0)]
    [TestCase("lossy.webp", 2)]
    [TestCase("baseline.jpg", 2)]
    [TestCase("grey.jpg", 2)]
    [TestCase("cmyk.jpg", 2)]
    [TestCase("subsampled.jpg", 60)] // chroma at sharp edges is interpolated differently
    [TestCase("progressive.jpg", 60)]
    public void Decode_EachForm_IsNearPillow(string file, int tolerance) =>
        Assert.That(ImagingData.LargestDifference(Decode($"decode/{file}"), ImagingData.ReadRgb($"decode/{file}.rgb")), Is.LessThanOrEqualTo(tolerance));

    [Test]
    public void Decode_ExifOrientation_IsLeftToTheCaller()
    {
        byte[] encoded = ImagingData.Read("orientation/6.jpg");
        ImageHeader header = ImageHeader.Read(encoded);
        Assert.That(() => new ImageSharpDecoder().Decode(encoded, header, new byte[header.RgbaBytes]), Throws.Nothing);
        Assert.That(ImagingData.LargestDifference(Decode("orientation/6.jpg"), ImagingData.ReadRgb("orientation/upright.rgb")), Is.LessThan(25));
    }

    [Test]
    public void Decode_Bmp_IsRefused() =>
        Assert.That(() => Decode("decode/picture.bmp"), Throws.TypeOf<InvalidImageException>().With.Message.EqualTo("BMP images are not supported here; send one of PNG, JPEG, GIF, WebP"));

    [Test]
    public void Decode_InterlacedPng_IsRefused() =>
        Assert.That(() => Decode("decode/interlaced.png"), Throws.TypeOf<InvalidImageException>().With.Message.Contains("interlaced"));

    [Test]
    public void Decode_AnimatedWebP_IsRefused() =>
        Assert.That(() => Decode("forms/animated.webp"), Throws.TypeOf<InvalidImageException>().With.Message.Contains("animated"));

    [Test]
    public void Decode_AnimatedGif_IsItsFirstFrame() =>
        Assert.That(ImagingData.LargestDifference(Decode("forms/animated.gif"), new ImagePreprocessor(ImagingData.Rules, new ImageLimits()).Decode(ImagingData.Read("forms/animated.gif"))), Is.Zero);

    [Test]
    public void Decode_DamagedData_ThrowsWithoutInternals()
    {
        byte[] png = ImagingData.Read("decode/rgb.png");
        png.AsSpan(45, 30).Fill(0x5A);
        Assert.That(() => Preprocessor.Decode(png), Throws.TypeOf<InvalidImageException>().With.Message.EqualTo("damaged PNG image: its data cannot be decoded; send another file"));
    }

    [Test]
    public void Decode_LargerThanItsMemoryLimit_ThrowsInvalidImage()
    {
        byte[] png = ImagingData.Read("decode/rgb.png");
        (png[18], png[22]) = (4096 >> 8, 4096 >> 8);
        ImageHeader header = ImageHeader.Read(png);
        Assert.That(() => new ImageSharpDecoder(memoryLimitMegabytes: 1).Decode(png, header, new byte[header.RgbaBytes]), Throws.TypeOf<InvalidImageException>());
    }

    [Test]
    [CancelAfter(120_000)]
    public void Decode_Damaged_ReturnsAnImageOrThrowsInvalidImage()
    {
        int decoded = 0;
        ImagePreprocessor preprocessor = new(ImagingData.Rules, new ImageLimits { MaxPixels = 1_000_000 }, new ImageSharpDecoder());
        foreach ((string name, byte[] encoded) in DamagedImages.Create([ImagingData.PathOf("decode"), ImagingData.PathOf("forms")], count: 300, seed: 18))
            Assert.That(() => decoded += DamagedImages.TryDecode(preprocessor, encoded) ? 1 : 0, Throws.Nothing, name);
        Assert.That(decoded, Is.InRange(15, 250));
    }

    private static RgbImage Decode(string file) => Preprocessor.Decode(ImagingData.Read(file));
}
