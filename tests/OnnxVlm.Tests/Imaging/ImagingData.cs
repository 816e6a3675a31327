using System.Runtime.CompilerServices;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Tests.Imaging;

/// <summary>Fixtures of tests/data/imaging (made with Pillow: see make_fixtures.py there) and noise.</summary>
internal static class ImagingData
{
    /// <summary>Size of the picture in decode/ and orientation/.</summary>
    public const int WidthPx = 24, HeightPx = 16;

    private static readonly string Folder = Path.Combine(TestsFolder(), "data", "imaging");

    /// <summary>Rules that keep most images as they are.</summary>
    public static ImageRules Rules { get; } = new()
    {
        PatchSize = 4,
        PatchLayout = PatchLayout.RowColumnChannel,
        Resize = new ResizeRule { Rule = ResizeMode.Fit, Filter = ResizeFilter.Bicubic, MaxPatches = 1000 },
        Padding = new PaddingRule { Mode = PaddingMode.Edge },
        HasPositions = false,
        Tokens = new ImageTokens { Placeholder = 1 },
    };

    public static string PathOf(string name) => Path.Combine(Folder, name);

    public static byte[] Read(string name) => File.ReadAllBytes(Path.Combine(Folder, name));

    public static RgbImage ReadRgb(string name, int widthPx = WidthPx, int heightPx = HeightPx) => new(widthPx, heightPx, Read(name));

    /// <summary>The same noise as noise() of make_fixtures.py.</summary>
    public static RgbImage Noise(int widthPx, int heightPx, int seed = 0)
    {
        byte[] pixels = new byte[3 * widthPx * heightPx];
        for (int i = 0; i < pixels.Length; i++)
        {
            uint v = (uint)(i + seed) * 2654435761;
            v ^= v >> 15;
            pixels[i] = (byte)(v * 2246822519 >> 24);
        }

        return new RgbImage(widthPx, heightPx, pixels);
    }

    public static int LargestDifference(RgbImage a, RgbImage b)
    {
        Assert.That((a.WidthPx, a.HeightPx), Is.EqualTo((b.WidthPx, b.HeightPx)));
        int largest = 0;
        ReadOnlySpan<byte> x = a.Pixels.Span, y = b.Pixels.Span;
        for (int i = 0; i < x.Length; i++)
            largest = Math.Max(largest, Math.Abs(x[i] - y[i]));
        return largest;
    }

    private static string TestsFolder([CallerFilePath] string path = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", ".."));
}
