using OnnxVlm.Imaging;

namespace OnnxVlm.Tests.Imaging;

public sealed class RgbImageTests
{
    [Test]
    public void Turn_EachOrientation_MovesTheCornersAsExifSays()
    {
        // Stored:  1 2 3
        //          4 5 6
        var stored = new RgbImage(3, 2, [.. new byte[] { 1, 2, 3, 4, 5, 6 }.SelectMany(v => new[] { v, (byte)(v + 10), (byte)(v + 20) })]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Reds(stored.Turn(ImageOrientation.MirrorHorizontal)), Is.EqualTo("321/654"));
            Assert.That(Reds(stored.Turn(ImageOrientation.Rotate180)), Is.EqualTo("654/321"));
            Assert.That(Reds(stored.Turn(ImageOrientation.MirrorVertical)), Is.EqualTo("456/123"));
            Assert.That(Reds(stored.Turn(ImageOrientation.Transpose)), Is.EqualTo("14/25/36"));
            Assert.That(Reds(stored.Turn(ImageOrientation.Rotate90)), Is.EqualTo("41/52/63"));
            Assert.That(Reds(stored.Turn(ImageOrientation.Transverse)), Is.EqualTo("63/52/41"));
            Assert.That(Reds(stored.Turn(ImageOrientation.Rotate270)), Is.EqualTo("36/25/14"));
        }
    }

    [Test]
    public void Turn_Upright_ReturnsTheSameImage()
    {
        RgbImage image = ImagingData.Noise(5, 4);
        Assert.That(image.Turn(ImageOrientation.Upright), Is.SameAs(image));
    }

    [Test]
    public void Turn_UnknownOrientation_Throws() =>
        Assert.That(() => ImagingData.Noise(5, 4).Turn((ImageOrientation)9), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public void Constructor_WrongSizes_Throws()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => new RgbImage(0, 1, []), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => new RgbImage(1, -1, []), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => new RgbImage(2, 2, new byte[11]), Throws.ArgumentException.With.Message.StartsWith("expected 12 bytes for 2×2 pixels, found 11"));
            Assert.That(() => new RgbImage(40_000, 40_000, new byte[3]), Throws.ArgumentException);
            Assert.That(() => new RgbImage(1, 1, null!), Throws.ArgumentNullException);
        }
    }

    private static string Reds(RgbImage image) => string.Join('/', Enumerable.Range(0, image.HeightPx).Select(y => Line(image, y)));

    private static string Line(RgbImage image, int y)
    {
        ReadOnlySpan<byte> row = image.Row(y);
        string line = "";
        for (int x = 0; x < image.WidthPx; x++)
        {
            Assert.That((row[3 * x + 1], row[3 * x + 2]), Is.EqualTo((row[3 * x] + 10, row[3 * x] + 20)));
            line += row[3 * x];
        }

        return line;
    }
}
