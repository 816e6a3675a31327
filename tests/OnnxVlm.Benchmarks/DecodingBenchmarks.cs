using BenchmarkDotNet.Attributes;
using OnnxVlm.Imaging;
using OnnxVlm.ImageSharp;
using SkiaSharp;

namespace OnnxVlm.Benchmarks;

/// <summary>Decoding of a picture of 2000×1500 pixels with both decoders, without limits, orientation and resizing.</summary>
[MemoryDiagnoser]
public class DecodingBenchmarks
{
    private const int WidthPx = 2000, HeightPx = 1500;

    private readonly SkiaImageDecoder _skia = new();
    private readonly ImageSharpDecoder _imageSharp = new();
    private readonly byte[] _rgba = new byte[4 * WidthPx * HeightPx];
    private byte[] _encoded = [];

    /// <summary>The form of the file.</summary>
    [Params("jpeg", "png", "webp")]
    public string Form { get; set; } = "";

    /// <summary>Draws and encodes the picture.</summary>
    [GlobalSetup]
    public void Encode()
    {
        using SKBitmap picture = new(new SKImageInfo(WidthPx, HeightPx, SKColorType.Rgba8888, SKAlphaType.Opaque));
        Random random = new(1);
        for (int y = 0; y < HeightPx; y++)
        {
            for (int x = 0; x < WidthPx; x++)
                picture.SetPixel(x, y, new SKColor(Wave(x / 70.0 + y / 50.0), Wave(x / 30.0 - y / 110.0), (byte)(((x + y) / 16) + random.Next(16))));
        }

        SKEncodedImageFormat format = Form switch { "jpeg" => SKEncodedImageFormat.Jpeg, "png" => SKEncodedImageFormat.Png, _ => SKEncodedImageFormat.Webp };
        using SKData data = picture.Encode(format, 90);
        _encoded = data.ToArray();

        static byte Wave(double angle) => (byte)(128 + (100 * Math.Sin(angle)));
    }

    /// <summary>The default.</summary>
    [Benchmark(Baseline = true)]
    public void Skia() => _skia.Decode(_encoded, ImageHeader.Read(_encoded), _rgba);

    /// <summary>The opt-in.</summary>
    [Benchmark]
    public void ImageSharp() => _imageSharp.Decode(_encoded, ImageHeader.Read(_encoded), _rgba);
}
