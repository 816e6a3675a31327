using BenchmarkDotNet.Attributes;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Benchmarks;

/// <summary>From pixels to patches: a photograph for Fuyu (shrunk to its box) and one for a model with 32 px patches.</summary>
[MemoryDiagnoser]
public class ImagingBenchmarks
{
    private readonly RgbImage _image = CreateImage(2560, 1440);

    /// <summary>Shrinks with the bilinear filter.</summary>
    [Benchmark]
    public RgbImage ResizeBilinear() => Resampler.Resize(_image, 1920, 1080, ResizeFilter.Bilinear);

    /// <summary>Shrinks with the bicubic filter.</summary>
    [Benchmark]
    public RgbImage ResizeBicubic() => Resampler.Resize(_image, 1920, 1080, ResizeFilter.Bicubic);

    /// <summary>Cuts into patches whose bytes lie as in the image.</summary>
    [Benchmark]
    public PatchGrid CutInterleaved() => PatchCutter.Cut(_image, 30, PatchLayout.RowColumnChannel, new PaddingRule { Mode = PaddingMode.Constant, Value = 1 });

    /// <summary>Cuts into patches with a plane for each channel.</summary>
    [Benchmark]
    public PatchGrid CutPlanes() => PatchCutter.Cut(_image, 32, PatchLayout.ChannelRowColumn, new PaddingRule { Mode = PaddingMode.Edge });

    private static RgbImage CreateImage(int width, int height)
    {
        byte[] pixels = new byte[3 * width * height];
        new Random(1).NextBytes(pixels);
        return new RgbImage(width, height, pixels);
    }
}
