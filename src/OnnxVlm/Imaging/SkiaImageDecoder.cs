using SkiaSharp;

namespace OnnxVlm.Imaging;

/// <summary>
/// Decodes PNG, JPEG, GIF, BMP and WebP with SkiaSharp (MIT). Its pixels equal those of Pillow, which the models were trained with. No colour profile
/// is applied, and CMYK becomes RGB as in Pillow. Thread-safe; holds native memory only during a call.
/// </summary>
public sealed class SkiaImageDecoder : IImageDecoder
{
    /// <inheritdoc />
    public IReadOnlyList<ImageFormat> Formats { get; } = [ImageFormat.Png, ImageFormat.Jpeg, ImageFormat.Gif, ImageFormat.Bmp, ImageFormat.WebP];

    /// <inheritdoc />
    /// <exception cref="ArgumentException"><paramref name="rgba"/> differs in size from <paramref name="header"/>.</exception>
    /// <exception cref="VlmException">The native library of SkiaSharp is missing.</exception>
    public unsafe void Decode(ReadOnlySpan<byte> encoded, ImageHeader header, Span<byte> rgba)
    {
        if (rgba.Length != header.RgbaBytes)
            throw new ArgumentException($"expected {header.RgbaBytes} bytes for {header.WidthPx}×{header.HeightPx} pixels, found {rgba.Length}", nameof(rgba));
        try
        {
            fixed (byte* file = encoded, pixels = rgba)
            {
                using SKData data = SKData.Create((nint)file, encoded.Length);
                using SKCodec? codec = SKCodec.Create(data);
                Decode(codec, header, (nint)pixels);
            }
        }
        catch (Exception e) when (e is DllNotFoundException or TypeInitializationException or BadImageFormatException)
        {
            throw new VlmException(
                "The image decoder does not load: SkiaSharp's native library is missing or made for another system. " +
                "Add the package SkiaSharp.NativeAssets.Linux.NoDependencies, .Win32 or .macOS.", e);
        }

        if (header.Format == ImageFormat.Gif)
            GifFile.ColourTransparentPixels(encoded, rgba);
    }

    private static void Decode(SKCodec? codec, ImageHeader header, nint pixels)
    {
        string format = ImageHeader.Name(header.Format);
        if (codec is null)
            throw new InvalidImageException($"damaged {format} image: its data cannot be decoded; send another file");
        if (codec.Info.Width != header.WidthPx || codec.Info.Height != header.HeightPx)
            throw header.WrongSize(codec.Info.Width, codec.Info.Height);

        SKCodecResult result = codec.GetPixels(new SKImageInfo(header.WidthPx, header.HeightPx, SKColorType.Rgba8888, SKAlphaType.Unpremul), pixels);
        if (result == SKCodecResult.Success)
            return;
        throw new InvalidImageException(result == SKCodecResult.IncompleteInput
            ? $"damaged {format} image: its data end early or are damaged; send the whole file"
            : $"damaged {format} image: its data cannot be decoded; send another file");
    }
}
