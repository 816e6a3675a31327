using OnnxVlm.Imaging;

namespace OnnxVlm.Tests.Imaging;

public sealed class ImageLimitsTests
{
    [Test]
    public void CheckBytes_AboveTheLimit_NamesLimitAndValue()
    {
        var limits = new ImageLimits { MaxBytes = 100 };
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => limits.CheckBytes(100), Throws.Nothing);
            Assert.That(() => limits.CheckBytes(101), Throws.TypeOf<InvalidImageException>().With.Message.Contains("101 bytes, the limit is 100 (MaxBytes)"));
        }
    }

    [TestCase(60000, 60000, "image too large: 60000×60000 pixels, the limit is 40000000 pixels in all (MaxPixels)")]
    [TestCase(int.MaxValue, int.MaxValue, "MaxPixels")]
    [TestCase(1, 1, "image too small: 1×1 pixels, each side must have 4 or more (MinSidePx)")]
    [TestCase(4, 3, "MinSidePx")]
    [TestCase(4, 801, "image too elongated: 4×801 pixels, one side may be 200 times the other (MaxAspectRatio)")]
    public void CheckSize_OutsideTheLimits_NamesLimitAndValue(int widthPx, int heightPx, string message) =>
        Assert.That(() => new ImageLimits().CheckSize(widthPx, heightPx), Throws.TypeOf<InvalidImageException>().With.Message.Contains(message));

    [TestCase(4, 4)]
    [TestCase(4, 800)]
    [TestCase(8000, 5000)]
    public void CheckSize_AtTheLimits_Passes(int widthPx, int heightPx) =>
        Assert.That(() => new ImageLimits().CheckSize(widthPx, heightPx), Throws.Nothing);

    [Test]
    public void Init_ValueOutOfRange_Throws()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => new ImageLimits { MaxBytes = 0 }, Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => new ImageLimits { MaxPixels = -1 }, Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => new ImageLimits { MinSidePx = 0 }, Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => new ImageLimits { MaxAspectRatio = 0.5 }, Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => new ImageLimits() with { MaxAspectRatio = double.NaN }, Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }
}
