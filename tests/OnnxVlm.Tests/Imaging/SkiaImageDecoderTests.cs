using System.Security.Cryptography;
using System.Text.Json;
using OnnxVlm.Benchmarks;
using OnnxVlm.Imaging;

namespace OnnxVlm.Tests.Imaging;

public sealed class SkiaImageDecoderTests
{
    private static readonly ImagePreprocessor Preprocessor = new(ImagingData.Rules, new ImageLimits());

    private static IEnumerable<string> PlainFiles => Directory.GetFiles(ImagingData.PathOf("decode"), "*.rgb").Select(file => Path.GetFileNameWithoutExtension(file)!).Order(StringComparer.Ordinal);

    private static IEnumerable<FormCase> Forms => JsonSerializer.Deserialize<FormCase[]>(ImagingData.Read("forms.json"), JsonSerializerOptions.Web)!;

    private static IEnumerable<string> WholeFiles => [.. PlainFiles.Select(name => $"decode/{name}"), .. Forms.Select(form => $"forms/{form.Name}")];

    [TestCaseSource(nameof(PlainFiles))]
    public void Decode_EachFile_EqualsPillow(string file) =>
        Assert.That(Decode($"decode/{file}").Pixels.ToArray(), Is.EqualTo(ImagingData.Read($"decode/{file}.rgb")));

    [TestCaseSource(nameof(Forms))]
    public void Decode_EachForm_EqualsPillow(FormCase form)
    {
        byte[] encoded = ImagingData.Read($"forms/{form.Name}");
        ImageHeader header = ImageHeader.Read(encoded);
        byte[] rgba = new byte[header.RgbaBytes];
        new SkiaImageDecoder().Decode(encoded, header, rgba);
        RgbImage rgb = Preprocessor.Decode(encoded);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((header.WidthPx, header.HeightPx), Is.EqualTo((form.Width, form.Height)));
            Assert.That(Hash(rgb.Pixels.Span), Is.EqualTo(form.Rgb));
            if (form.Rgba is not null)
                Assert.That(Hash(rgba), Is.EqualTo(form.Rgba));
        }
    }

    [Test]
    public void Decode_ExifOrientation_IsUprightAfterTurn([Range(1, 8)] int orientation) =>
        Assert.That(ImagingData.LargestDifference(Decode($"orientation/{orientation}.jpg"), ImagingData.ReadRgb("orientation/upright.rgb")), Is.LessThan(25));

    [TestCase("6.png")]
    [TestCase("6.webp")]
    public void Decode_ExifOrientationOfOtherFormats_IsUprightAfterTurn(string file) =>
        Assert.That(Decode($"orientation/{file}").Pixels.ToArray(), Is.EqualTo(ImagingData.Read("orientation/upright.rgb")));

    [TestCaseSource(nameof(WholeFiles))]
    public void Decode_CutAnywhere_ThrowsInvalidImage(string file)
    {
        byte[] whole = ImagingData.Read(file);
        // Of a BMP in runs, the last two bytes only say that it ends.
        int end = file.EndsWith("runs.bmp", StringComparison.Ordinal) ? whole.Length - 2 : whole.Length;
        using (Assert.EnterMultipleScope())
        {
            for (int length = 0; length < end; length += length < end - 30 ? Math.Max(1, Math.Min(whole.Length / 50, end - 30 - length)) : 1)
                Assert.That(() => Preprocessor.Decode(whole.AsSpan(0, length)), Throws.TypeOf<InvalidImageException>(), $"{length} of {whole.Length} bytes");
        }
    }

    [Test]
    public void Decode_PngWithWrongChecksum_ThrowsInvalidImage()
    {
        byte[] png = ImagingData.Read("decode/rgb.png");
        png.AsSpan(45, 30).Fill(0x5A);
        Assert.That(() => Preprocessor.Decode(png), Throws.TypeOf<InvalidImageException>().With.Message.StartsWith("damaged PNG image"));
    }

    [Test]
    public void Decode_PngWithBadDataAndRightChecksum_ThrowsWithoutInternals() =>
        Assert.That(() => Decode("decode/damaged.png"), Throws.TypeOf<InvalidImageException>().With.Message.StartsWith("damaged PNG image: its data"));

    [Test]
    public void Decode_ProgressiveWithThousandsOfScans_ThrowsInvalidImage()
    {
        byte[] jpeg = ImagingData.Read("decode/progressive.jpg");
        byte[] refinement = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0x10];
        byte[] many = [.. jpeg[..^2], .. Enumerable.Repeat(refinement, 5000).SelectMany(s => s), .. jpeg[^2..]];
        Assert.That(() => Preprocessor.Decode(many), Throws.TypeOf<InvalidImageException>().With.Message.Contains("more than 100 scans"));
    }

    [Test]
    public void Decode_BufferOfAnotherSize_Throws()
    {
        byte[] png = ImagingData.Read("decode/rgb.png");
        Assert.That(() => new SkiaImageDecoder().Decode(png, ImageHeader.Read(png), new byte[100]), Throws.ArgumentException);
    }

    [Test]
    public void Decode_HeaderOfAnotherImage_ThrowsInvalidImage()
    {
        byte[] png = ImagingData.Read("decode/rgb.png");
        ImageHeader other = ImageHeader.Read(png) with { WidthPx = 9 };
        Assert.That(() => new SkiaImageDecoder().Decode(png, other, new byte[other.RgbaBytes]), Throws.TypeOf<InvalidImageException>().With.Message.Contains("its header says 9×16 pixels, its data 24×16"));
    }

    [Test]
    [CancelAfter(60_000)]
    public void Decode_Damaged_ReturnsAnImageOrThrowsInvalidImage()
    {
        (int decoded, int refused) = (0, 0);
        ImagePreprocessor preprocessor = new(ImagingData.Rules, new ImageLimits { MaxPixels = 1_000_000 });
        foreach ((string name, byte[] encoded) in DamagedImages.Create([ImagingData.PathOf("decode"), ImagingData.PathOf("forms")], count: 300, seed: 17))
        {
            bool isDecoded = false;
            Assert.That(() => isDecoded = DamagedImages.TryDecode(preprocessor, encoded), Throws.Nothing, name);
            (decoded, refused) = isDecoded ? (decoded + 1, refused) : (decoded, refused + 1);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(decoded, Is.GreaterThan(30));
            Assert.That(refused, Is.GreaterThan(100));
        }
    }

    [Test]
    public void Decode_FromSeveralThreads_GivesTheSameImage()
    {
        RgbImage expected = Decode("decode/baseline.jpg");
        Parallel.For(0, 64, _ => Assert.That(ImagingData.LargestDifference(Decode("decode/baseline.jpg"), expected), Is.Zero));
    }

    private static RgbImage Decode(string file) => Preprocessor.Decode(ImagingData.Read(file));

    private static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>An entry of forms.json.</summary>
    public sealed record FormCase(string Name, int Width, int Height, string Rgb, string? Rgba)
    {
        public override string ToString() => Name;
    }
}
