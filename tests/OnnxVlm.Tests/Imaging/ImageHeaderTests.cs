using MetadataExtractor;
using MetadataExtractor.Formats.Exif;
using OnnxVlm.Imaging;

namespace OnnxVlm.Tests.Imaging;

public sealed class ImageHeaderTests
{
    private static readonly string[] Files =
    [
        "rgb.png", "grey.png", "palette.png", "bilevel.png", "rgba.png", "grey_alpha.png", "rgb16.png", "grey16.png", "interlaced.png",
        "baseline.jpg", "subsampled.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "picture.gif", "picture.bmp", "lossy.webp", "lossless.webp",
    ];

    [TestCaseSource(nameof(Files))]
    public void Read_EachFormat_GivesFormatAndSize(string file)
    {
        ImageFormat format = Path.GetExtension(file) switch
        {
            ".png" => ImageFormat.Png,
            ".jpg" => ImageFormat.Jpeg,
            ".gif" => ImageFormat.Gif,
            ".bmp" => ImageFormat.Bmp,
            _ => ImageFormat.WebP,
        };
        Assert.That(ImageHeader.Read(ImagingData.Read($"decode/{file}")), Is.EqualTo(new ImageHeader(format, ImagingData.WidthPx, ImagingData.HeightPx, ImageOrientation.Upright)));
    }

    [Test]
    public void Read_ExifOrientation_GivesStoredSizeAndOrientation([Range(1, 8)] int orientation)
    {
        ImageHeader header = ImageHeader.Read(ImagingData.Read($"orientation/{orientation}.jpg"));
        (int width, int height) = orientation < 5 ? (24, 16) : (16, 24);
        Assert.That(header, Is.EqualTo(new ImageHeader(ImageFormat.Jpeg, width, height, (ImageOrientation)orientation)));
    }

    [TestCase("6.png")]
    [TestCase("6.webp")]
    public void Read_ExifOfOtherFormats_GivesOrientation(string file) =>
        Assert.That(ImageHeader.Read(ImagingData.Read($"orientation/{file}")).Orientation, Is.EqualTo(ImageOrientation.Rotate90));

    [TestCase("orientation/6.png")]
    [TestCase("orientation/6.webp")]
    [TestCase("orientation/1.jpg")]
    [TestCase("orientation/5.jpg")]
    [TestCase("orientation/8.jpg")]
    public void Read_Exif_AgreesWithMetadataExtractor(string file)
    {
        byte[] encoded = ImagingData.Read(file);
        int expected = ImageMetadataReader.ReadMetadata(new MemoryStream(encoded)).OfType<ExifIfd0Directory>().Single().GetInt32(ExifDirectoryBase.TagOrientation);
        Assert.That((int)ImageHeader.Read(encoded).Orientation, Is.EqualTo(expected));
    }

    [TestCase(0)]
    [TestCase(9)]
    [TestCase(0x0106)]
    public void Read_NonsenseOrientation_IsUpright(int value)
    {
        byte[] jpeg = ImagingData.Read("orientation/6.jpg");
        int entry = jpeg.AsSpan().IndexOf(new byte[] { 0x01, 0x12, 0x00, 0x03 });
        (jpeg[entry + 8], jpeg[entry + 9]) = ((byte)(value >> 8), (byte)value);
        Assert.That(ImageHeader.Read(jpeg).Orientation, Is.EqualTo(ImageOrientation.Upright));
    }

    [TestCase("", "an empty file")]
    [TestCase("Not an image.", "text")]
    [TestCase("BMW is a car maker, and this is a text about it.", "text")]
    [TestCase("%PDF-1.7", "a PDF")]
    [TestCase("II*\0........", "a TIFF image")]
    [TestCase("....ftypheic", "an image or video of the HEIF, AVIF or MP4 family")]
    [TestCase("\u0001\u0002\u0003", "3 bytes that start with 010203")]
    public void Read_NotAnImage_SaysWhatWasExpectedAndFound(string content, string found) =>
        Assert.That(() => ImageHeader.Read(System.Text.Encoding.Latin1.GetBytes(content)),
            Throws.TypeOf<InvalidImageException>().With.Message.EqualTo($"not an image this program can read: expected PNG, JPEG, GIF, WebP or BMP, found {found}"));

    [TestCase("decode/rgb.png")]
    [TestCase("decode/baseline.jpg")]
    [TestCase("decode/progressive.jpg")]
    public void Read_CutAnywhere_GivesTheHeaderOrThrowsInvalidImage(string file)
    {
        byte[] whole = ImagingData.Read(file);
        ImageHeader header = ImageHeader.Read(whole);
        int refused = 0;
        for (int length = 0; length < whole.Length; length++)
        {
            try
            {
                Assert.That(ImageHeader.Read(whole.AsSpan(0, length)), Is.EqualTo(header));
            }
            catch (InvalidImageException)
            {
                refused++;
            }
        }

        Assert.That(refused, Is.InRange(33, whole.Length / 2 + 33));
    }

    [TestCase("decode/picture.gif")]
    [TestCase("decode/picture.bmp")]
    [TestCase("decode/lossy.webp")]
    [TestCase("decode/lossless.webp")]
    [TestCase("orientation/6.webp")]
    public void Read_CutHeader_ThrowsInvalidImage(string file)
    {
        byte[] whole = ImagingData.Read(file);
        using (Assert.EnterMultipleScope())
        {
            for (int length = 0; length < 13; length++)
                Assert.That(() => ImageHeader.Read(whole.AsSpan(0, length)), Throws.TypeOf<InvalidImageException>(), $"{length} bytes");
        }
    }

    [Test]
    public void Read_HugePngOfAHeaderOnly_GivesTheSizeForTheLimits()
    {
        byte[] png = ImagingData.Read("decode/rgb.png");
        (png[18], png[19], png[22], png[23]) = (60000 >> 8, 60000 & 255, 60000 >> 8, 60000 & 255);
        ImageHeader header = ImageHeader.Read(png.AsSpan(0, 33));
        Assert.That((header.WidthPx, header.HeightPx), Is.EqualTo((60000, 60000)));
    }

    [Test]
    public void Read_RandomDamage_NeverThrowsAnythingElse()
    {
        var random = new Random(5);
        string[] files = [.. Files.Select(f => $"decode/{f}"), "orientation/6.jpg", "orientation/6.png", "orientation/6.webp"];
        int refused = 0;
        foreach (string file in files)
        {
            byte[] whole = ImagingData.Read(file);
            for (int round = 0; round < 300; round++)
            {
                byte[] damaged = [.. whole];
                for (int change = random.Next(1, 6); change > 0; change--)
                    damaged[random.Next(Math.Min(whole.Length, 700))] = (byte)random.Next(256);
                try
                {
                    ImageHeader.Read(damaged.AsSpan(0, random.Next(whole.Length / 2, whole.Length + 1)));
                }
                catch (InvalidImageException)
                {
                    refused++;
                }
            }
        }

        Assert.That(refused, Is.GreaterThan(500));
    }
}
