using System.Security.Cryptography;
using System.Text.Json;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Tests.Imaging;

public sealed class ResamplerTests
{
    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    [Test]
    public void Resize_ManySizesAndBothFilters_EqualsPillowBitForBit()
    {
        PillowCase[] cases = JsonSerializer.Deserialize<PillowCase[]>(ImagingData.Read("resize.json"), SnakeCase)!;
        Assert.That(cases, Has.Length.GreaterThan(100));
        using (Assert.EnterMultipleScope())
        {
            foreach (PillowCase c in cases)
            {
                RgbImage resized = Resampler.Resize(ImagingData.Noise(c.Width, c.Height, c.Seed), c.NewWidth, c.NewHeight, c.Filter);
                Assert.That(Convert.ToHexStringLower(SHA256.HashData(resized.Pixels.Span)), Is.EqualTo(c.Sha256), c.ToString());
            }
        }
    }

    [Test]
    public void Resize_SameSize_ReturnsTheSameImage()
    {
        RgbImage image = ImagingData.Noise(9, 7);
        Assert.That(Resampler.Resize(image, 9, 7, ResizeFilter.Bicubic), Is.SameAs(image));
    }

    [Test]
    public void Resize_UniformImage_StaysUniform([Values] ResizeFilter filter, [Values(1, 13, 200)] int sidePx)
    {
        byte[] white = new byte[3 * 50 * 40];
        white.AsSpan().Fill(255);
        RgbImage resized = Resampler.Resize(new RgbImage(50, 40, white), sidePx, sidePx, filter);
        Assert.That(resized.Pixels.ToArray(), Has.All.EqualTo(255));
    }

    [Test]
    public void Resize_BadArguments_Throws()
    {
        RgbImage image = ImagingData.Noise(4, 4);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Resampler.Resize(null!, 1, 1, ResizeFilter.Bilinear), Throws.ArgumentNullException);
            Assert.That(() => Resampler.Resize(image, 0, 1, ResizeFilter.Bilinear), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => Resampler.Resize(image, 1, -1, ResizeFilter.Bilinear), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => Resampler.Resize(image, 1, 1, (ResizeFilter)9), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => Resampler.Resize(image, 50_000, 50_000, ResizeFilter.Bilinear), Throws.InstanceOf<OverflowException>());
        }
    }

    private sealed record PillowCase(int Width, int Height, int Seed, int NewWidth, int NewHeight, ResizeFilter Filter, string Sha256);
}
