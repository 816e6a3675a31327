using OnnxVlm.Imaging;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.Formats.Gif;
using SixLabors.ImageSharp.Formats.Jpeg;
using SixLabors.ImageSharp.Formats.Png;
using SixLabors.ImageSharp.Formats.Webp;
using SixLabors.ImageSharp.Memory;
using SixLabors.ImageSharp.Metadata;
using SixLabors.ImageSharp.PixelFormats;
using IImageDecoder = OnnxVlm.Imaging.IImageDecoder;

namespace OnnxVlm.ImageSharp;

/// <summary>
/// Decodes PNG, JPEG, GIF and WebP with SixLabors.ImageSharp 2.1: managed code only. One line opts in:
/// <code>
/// using VlmModel model = VlmModel.Load(folder, new VlmOptions { ImageDecoder = new ImageSharpDecoder() });
/// </code>
/// It is not the default for two reasons. Where chroma is subsampled, its JPEG pixels differ from those that the models were trained with. And version 2
/// is at its end of life: its BMP decoder has open reports, and its decoder of interlaced PNG can loop forever, so neither is used here.
/// Whatever its decoders throw at damaged files becomes <see cref="InvalidImageException"/>. Thread-safe; holds no native memory.
/// </summary>
public sealed class ImageSharpDecoder : IImageDecoder
{
    private readonly Configuration _configuration;

    /// <summary>Creates a decoder.</summary>
    /// <param name="memoryLimitMegabytes">The largest single buffer that an image may allocate; default 512 MB, enough for the 40 million pixels of
    /// <see cref="ImageLimits"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The limit is less than 1.</exception>
    public ImageSharpDecoder(int memoryLimitMegabytes = 512)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(memoryLimitMegabytes, 1);
        _configuration = new Configuration(
            new PngConfigurationModule(), new JpegConfigurationModule(), new GifConfigurationModule(), new WebpConfigurationModule())
        {
            MemoryAllocator = MemoryAllocator.Create(new MemoryAllocatorOptions { AllocationLimitMegabytes = memoryLimitMegabytes }),
        };
        _configuration.ImageFormatsManager.SetDecoder(PngFormat.Instance, new PngDecoder { IgnoreMetadata = true });
        _configuration.ImageFormatsManager.SetDecoder(JpegFormat.Instance, new JpegDecoder { IgnoreMetadata = true });
        _configuration.ImageFormatsManager.SetDecoder(GifFormat.Instance, new GifDecoder { IgnoreMetadata = true, DecodingMode = FrameDecodingMode.First });
        _configuration.ImageFormatsManager.SetDecoder(WebpFormat.Instance, new WebpDecoder { IgnoreMetadata = true });
    }

    /// <inheritdoc />
    public IReadOnlyList<ImageFormat> Formats { get; } = [ImageFormat.Png, ImageFormat.Jpeg, ImageFormat.Gif, ImageFormat.WebP];

    /// <inheritdoc />
    /// <exception cref="ArgumentException"><paramref name="rgba"/> differs in size from <paramref name="header"/>.</exception>
    public void Decode(ReadOnlySpan<byte> encoded, ImageHeader header, Span<byte> rgba)
    {
        if (rgba.Length != header.RgbaBytes)
            throw new ArgumentException($"expected {header.RgbaBytes} bytes for {header.WidthPx}×{header.HeightPx} pixels, found {rgba.Length}", nameof(rgba));
        string format = header.Format == ImageFormat.WebP ? "WebP" : header.Format.ToString().ToUpperInvariant();
        if (!Formats.Contains(header.Format))
            throw new InvalidImageException($"{format} images are not supported here; send PNG, JPEG, GIF or WebP");
        if (header.Format == ImageFormat.WebP && IsAnimatedWebP(encoded))
            throw new InvalidImageException("unsupported WebP image: it is animated, and would be decoded with all its frames; send one frame");
        if (header.Format == ImageFormat.Png && IsInterlacedPng(encoded))
            throw new InvalidImageException(
                "unsupported PNG image: it is interlaced (Adam7), and the decoder does not always come back from a damaged one; save it without interlacing");
        Size size;
        try
        {
            using Image<Rgba32> image = Image.Load<Rgba32>(_configuration, encoded);
            size = image.Size();
            if (size.Width == header.WidthPx && size.Height == header.HeightPx)
                image.CopyPixelDataTo(rgba);
        }
        catch (Exception e)
        {
            // A decoder may throw anything at untrusted bytes (null references, indices, divisions by zero, excessive memory). The caller learns that
            // the file is bad, and only the log has the details.
            throw new InvalidImageException($"damaged {format} image: its data cannot be decoded; send another file", e);
        }

        if (size.Width != header.WidthPx || size.Height != header.HeightPx)
            throw new InvalidImageException(
                $"damaged {format} image: its header says {header.WidthPx}×{header.HeightPx} pixels, its data {size.Width}×{size.Height}");
    }

    /// <summary>The last byte of the chunk IHDR (ISO/IEC 15948, section 11.2.2).</summary>
    private static bool IsInterlacedPng(ReadOnlySpan<byte> encoded) => encoded.Length > 28 && encoded[28] != 0;

    /// <summary>The flag of the chunk VP8X (RFC 9649, section 2.7.1).</summary>
    private static bool IsAnimatedWebP(ReadOnlySpan<byte> encoded) => encoded.Length > 20 && encoded[12..].StartsWith("VP8X"u8) && (encoded[20] & 2) != 0;
}
