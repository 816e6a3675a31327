using OnnxVlm.Imaging;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.Formats;
using SixLabors.ImageSharp.Formats.Bmp;
using SixLabors.ImageSharp.Formats.Gif;
using SixLabors.ImageSharp.Formats.Jpeg;
using SixLabors.ImageSharp.Formats.Png;
using SixLabors.ImageSharp.Formats.Webp;
using SixLabors.ImageSharp.Memory;
using SixLabors.ImageSharp.PixelFormats;
using IImageDecoder = OnnxVlm.Imaging.IImageDecoder;

namespace OnnxVlm.ImageSharp;

/// <summary>
/// Decodes PNG, JPEG, GIF, BMP and WebP with SixLabors.ImageSharp: the first frame, with alpha over white, CMYK as RGB; EXIF orientation is left to the caller.
/// Thread-safe; holds no native memory.
/// </summary>
public sealed class ImageSharpDecoder : IImageDecoder
{
    private readonly DecoderOptions _options;

    /// <summary>Creates a decoder.</summary>
    /// <param name="memoryLimitMegabytes">The largest single buffer that an image may ask for; default 512 MB, enough for the 40 million pixels of <see cref="ImageLimits"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The limit is less than 1.</exception>
    public ImageSharpDecoder(int memoryLimitMegabytes = 512)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(memoryLimitMegabytes, 1);
        var configuration = new Configuration(
            new PngConfigurationModule(),
            new JpegConfigurationModule(),
            new GifConfigurationModule(),
            new BmpConfigurationModule(),
            new WebpConfigurationModule())
        {
            MemoryAllocator = MemoryAllocator.Create(new MemoryAllocatorOptions { AllocationLimitMegabytes = memoryLimitMegabytes }),
        };
        _options = new DecoderOptions { Configuration = configuration, MaxFrames = 1, SkipMetadata = true };
    }

    /// <inheritdoc />
    public IReadOnlyList<ImageFormat> Formats { get; } = [ImageFormat.Png, ImageFormat.Jpeg, ImageFormat.Gif, ImageFormat.Bmp, ImageFormat.WebP];

    /// <inheritdoc />
    public RgbImage Decode(ReadOnlySpan<byte> encoded, ImageHeader header)
    {
        try
        {
            using Image<Rgba32> image = Image.Load<Rgba32>(_options, encoded);
            byte[] rgb = GC.AllocateUninitializedArray<byte>(checked(3 * image.Width * image.Height));
            image.ProcessPixelRows(rows =>
            {
                for (int y = 0; y < rows.Height; y++)
                    BlendOverWhite(rows.GetRowSpan(y), rgb.AsSpan(3 * y * rows.Width, 3 * rows.Width));
            });
            return new RgbImage(image.Width, image.Height, rgb);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Whatever a decoder throws at untrusted bytes, the caller learns that the file is bad, and only the log learns more.
            throw new InvalidImageException($"damaged {header.Format.ToString().ToUpperInvariant()} image: its data cannot be decoded; send another file", e);
        }
    }

    private static void BlendOverWhite(ReadOnlySpan<Rgba32> pixels, Span<byte> rgb)
    {
        for (int x = 0; x < pixels.Length; x++)
        {
            Rgba32 pixel = pixels[x];
            int white = 255 * (255 - pixel.A) + 127;
            rgb[3 * x] = (byte)((pixel.R * pixel.A + white) / 255);
            rgb[3 * x + 1] = (byte)((pixel.G * pixel.A + white) / 255);
            rgb[3 * x + 2] = (byte)((pixel.B * pixel.A + white) / 255);
        }
    }
}
