using OnnxVlm.Imaging;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Imaging;

public sealed class OrtImageDecoderTests
{
    private static readonly byte[] Jpeg = ImagingData.Read("decode/baseline.jpg");

    private OrtImageDecoder _decoder = null!;

    [OneTimeSetUp]
    public void Load() => _decoder = new OrtImageDecoder();

    [OneTimeTearDown]
    public void Dispose() => _decoder.Dispose();

    [TestCase("rgb.png", 0)]
    [TestCase("grey.png", 0)]
    [TestCase("palette.png", 0)]
    [TestCase("bilevel.png", 0)]
    [TestCase("rgba.png", 0)]
    [TestCase("grey_alpha.png", 0)]
    [TestCase("rgb16.png", 0)]
    [TestCase("grey16.png", 0)]
    [TestCase("baseline.jpg", 0)]
    [TestCase("subsampled.jpg", 40)] // libjpeg and libjpeg-turbo interpolate subsampled chroma differently
    [TestCase("progressive.jpg", 40)]
    [TestCase("grey.jpg", 0)]
    [TestCase("cmyk.jpg", 1)]
    public void Decode_EachForm_EqualsPillow(string file, int tolerance) =>
        Assert.That(ImagingData.LargestDifference(Decode(ImagingData.Read($"decode/{file}")), ImagingData.ReadRgb($"decode/{file}.rgb")), Is.LessThanOrEqualTo(tolerance));

    [Test]
    public void Decode_ExifOrientation_IsUprightAfterTurn([Range(1, 8)] int orientation)
    {
        byte[] encoded = ImagingData.Read($"orientation/{orientation}.jpg");
        RgbImage upright = Decode(encoded).Turn(ImageHeader.Read(encoded).Orientation);
        Assert.That(ImagingData.LargestDifference(upright, ImagingData.ReadRgb("orientation/upright.rgb")), Is.LessThan(25));
    }

    [Test]
    public void Decode_InterlacedPng_IsRefused() =>
        Assert.That(() => Decode(ImagingData.Read("decode/interlaced.png")), Throws.TypeOf<InvalidImageException>().With.Message.Contains("interlaced"));

    [Test]
    public void Decode_OtherFormat_NamesTheSupportedOnes() =>
        Assert.That(() => Decode(ImagingData.Read("decode/picture.bmp")), Throws.TypeOf<InvalidImageException>().With.Message.EqualTo("BMP images are not supported here; send PNG or JPEG"));

    [Test]
    public void Decode_PngWithWrongChecksum_ThrowsInvalidImage()
    {
        byte[] png = ImagingData.Read("decode/rgb.png");
        png.AsSpan(45, 30).Fill(0x5A);
        Assert.That(() => Decode(png), Throws.TypeOf<InvalidImageException>().With.Message.StartsWith("damaged PNG image: a checksum is wrong"));
    }

    [Test]
    public void Decode_PngWithBadDataAndRightChecksum_ThrowsWithoutInternals() =>
        Assert.That(() => Decode(ImagingData.Read("decode/damaged.png")), Throws.TypeOf<InvalidImageException>().With.Message.EqualTo("damaged PNG image: its data cannot be decoded; send another file"));

    [TestCase("rgb.png")]
    [TestCase("baseline.jpg")]
    [TestCase("progressive.jpg")]
    public void Decode_CutAnywhere_ThrowsInvalidImage(string file)
    {
        byte[] whole = ImagingData.Read($"decode/{file}");
        using (Assert.EnterMultipleScope())
        {
            for (int length = 0; length < whole.Length; length++)
                Assert.That(() => Decode(whole.AsSpan(0, length)), Throws.TypeOf<InvalidImageException>(), $"{length} bytes");
        }
    }

    [Test]
    public void Decode_HeaderOfAnotherImage_Throws() =>
        Assert.That(() => _decoder.Decode(Jpeg, ImageHeader.Read(Jpeg) with { WidthPx = 9 }), Throws.ArgumentException);

    // Each of these ends the process, or never comes back, when libjpeg gets to see it.
    [TestCase("FFDB", 4, 0x07, "quantization table")]
    [TestCase("FFC4", 4, 0x0F, "Huffman table")]
    [TestCase("FFC4", 5, 0x03, "Huffman table")]
    [TestCase("FFC0", 1, 0xC3, "lossless")]
    [TestCase("FFC0", 1, 0xC9, "arithmetic")]
    [TestCase("FFC0", 1, 0xD8, "starts a second time")]
    [TestCase("FFC0", 1, 0xE0, "no frame header")]
    [TestCase("FFC0", 1, 0x02, "unknown marker 0x02")]
    [TestCase("FFC0", 3, 0x10, "frame header has the wrong length")]
    [TestCase("FFC0", 4, 12, "12 bits a sample")]
    [TestCase("FFC0", 9, 2, "frame header has the wrong length")]
    [TestCase("FFC0", 11, 0x50, "component that cannot exist")]
    [TestCase("FFC0", 11, 0x32, "fractional", 14, 0x21)]
    [TestCase("FFC0", 12, 9, "component that cannot exist")]
    [TestCase("FFC0", 12, 3, "table that is not there")]
    [TestCase("FFDA", 3, 0x0B, "scan header has the wrong length")]
    [TestCase("FFDA", 5, 0x77, "unknown component")]
    [TestCase("FFDA", 6, 0x33, "table that is not there")]
    public void Decode_JpegThatEndsAnUnguardedProcess_ThrowsInvalidImage(string marker, int offset, byte value, string message, int secondOffset = 0, byte secondValue = 0xFF)
    {
        byte[] damaged = [.. Jpeg];
        int at = damaged.AsSpan().IndexOf(Convert.FromHexString(marker));
        damaged[at + offset] = value;
        damaged[at + secondOffset] = secondValue;
        Assert.That(() => Decode(damaged), Throws.TypeOf<InvalidImageException>().With.Message.Contains(message));
    }

    [Test]
    public void Decode_JpegWithoutEnd_ThrowsInvalidImage() =>
        Assert.That(() => Decode(Jpeg.AsSpan(0, Jpeg.Length - 2)), Throws.TypeOf<InvalidImageException>().With.Message.StartsWith("damaged JPEG image: the file ends early"));

    [Test]
    public void Decode_SecondScanAfterTheLast_ThrowsInvalidImage()
    {
        byte[] scan = Jpeg[Jpeg.AsSpan().LastIndexOf(new byte[] { 0xFF, 0xDA })..];
        Assert.That(() => Decode([.. Jpeg[..^2], .. scan]), Throws.TypeOf<InvalidImageException>().With.Message.Contains("after its last scan"));
    }

    [Test]
    public void Decode_ProgressiveWithThousandsOfScans_ThrowsInvalidImage()
    {
        byte[] jpeg = ImagingData.Read("decode/progressive.jpg");
        byte[] refinement = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0x10];
        byte[] many = [.. jpeg[..^2], .. Enumerable.Repeat(refinement, 5000).SelectMany(s => s), .. jpeg[^2..]];
        Assert.That(() => Decode(many), Throws.TypeOf<InvalidImageException>().With.Message.Contains("more than 100 scans"));
    }

    [Test]
    [CancelAfter(60_000)]
    public void Decode_RandomDamage_ReturnsAnImageOrThrowsInvalidImage()
    {
        var random = new Random(17);
        (int decoded, int refused) = (0, 0);
        foreach (string file in new[] { "baseline.jpg", "subsampled.jpg", "progressive.jpg", "cmyk.jpg", "grey.jpg", "rgb.png", "palette.png" })
        {
            byte[] whole = ImagingData.Read($"decode/{file}");
            for (int round = 0; round < 400; round++)
            {
                byte[] damaged = [.. whole];
                for (int change = random.Next(1, 4); change > 0; change--)
                    damaged[random.Next(whole.Length)] = (byte)random.Next(256);
                try
                {
                    ImageHeader header = ImageHeader.Read(damaged);
                    new ImageLimits().CheckSize(header.WidthPx, header.HeightPx);
                    _decoder.Decode(damaged, header);
                    decoded++;
                }
                catch (InvalidImageException)
                {
                    refused++;
                }
            }
        }

        Assert.That((decoded, refused), Is.GreaterThan((300, 300)).Using<(int Decoded, int Refused)>((a, b) => Math.Min(a.Decoded - b.Decoded, a.Refused - b.Refused)));
    }

    [Test]
    public void Decode_FromSeveralThreads_GivesTheSameImage()
    {
        RgbImage expected = Decode(Jpeg);
        Parallel.For(0, 64, _ => Assert.That(ImagingData.LargestDifference(Decode(Jpeg), expected), Is.Zero));
    }

    [Test]
    public void Dispose_Twice_CountsOnce()
    {
        int before = NativeOwner.Count;
        var decoder = new OrtImageDecoder();
        Assert.That(NativeOwner.Count, Is.EqualTo(before + 1));
        decoder.Dispose();
        decoder.Dispose();
        Assert.That(NativeOwner.Count, Is.EqualTo(before));
        Assert.That(() => decoder.Decode(Jpeg, ImageHeader.Read(Jpeg)), Throws.InstanceOf<ObjectDisposedException>());
    }

    private RgbImage Decode(ReadOnlySpan<byte> encoded) => _decoder.Decode(encoded, ImageHeader.Read(encoded));
}
