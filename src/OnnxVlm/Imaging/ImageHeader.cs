using System.Globalization;

namespace OnnxVlm.Imaging;

/// <summary>
/// The header of an image file, read without decoding the file and without trusting it: every read is bounds-checked, the time is linear in the size
/// of the file, and nothing is allocated except the message of an error.
/// </summary>
/// <param name="Format">The format, recognized by the signature and never by a file name.</param>
/// <param name="WidthPx">Width as stored, in pixels, 1 or more.</param>
/// <param name="HeightPx">Height as stored, in pixels, 1 or more.</param>
/// <param name="Orientation">How the stored image must be turned (EXIF); upright where the file does not say, or has an invalid value.</param>
public readonly record struct ImageHeader(ImageFormat Format, int WidthPx, int HeightPx, ImageOrientation Orientation)
{
    private static readonly byte[] PngSignature = [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Reads the header of a PNG, JPEG, GIF, BMP or WebP file.</summary>
    /// <param name="encoded">The whole file; what follows the header may be missing or damaged.</param>
    /// <exception cref="InvalidImageException">The format is none of these, or the header is damaged.</exception>
    public static ImageHeader Read(ReadOnlySpan<byte> encoded)
    {
        if (encoded.StartsWith(PngSignature))
            return PngFile.ReadHeader(encoded);
        if (encoded.StartsWith<byte>([0xFF, 0xD8, 0xFF]))
            return JpegFile.ReadHeader(encoded);
        if (encoded.StartsWith("GIF87a"u8) || encoded.StartsWith("GIF89a"u8))
            return GifFile.ReadHeader(encoded);
        if (encoded.StartsWith("RIFF"u8) && encoded.Length >= 12 && encoded[8..].StartsWith("WEBP"u8))
            return WebPFile.ReadHeader(encoded);
        if (encoded.StartsWith("BM"u8) && BmpFile.HasHeader(encoded))
            return BmpFile.ReadHeader(encoded);
        throw new InvalidImageException($"not an image this program can read: expected PNG, JPEG, GIF, WebP or BMP, found {Describe(encoded)}");
    }

    /// <summary>Width and height of the image when it stands upright, in pixels.</summary>
    public (int WidthPx, int HeightPx) UprightSize => Orientation >= ImageOrientation.Transpose ? (HeightPx, WidthPx) : (WidthPx, HeightPx);

    /// <summary>Size of the decoded image with alpha in bytes: 4 for each pixel.</summary>
    public long RgbaBytes => 4L * WidthPx * HeightPx;

    /// <summary>Builds a header after checking the sides.</summary>
    internal static ImageHeader Create(ImageFormat format, long widthPx, long heightPx, ImageOrientation orientation = ImageOrientation.Upright) =>
        widthPx is >= 1 and <= int.MaxValue && heightPx is >= 1 and <= int.MaxValue
            ? new ImageHeader(format, (int)widthPx, (int)heightPx, orientation)
            : throw new InvalidImageException($"damaged {Name(format)} image: its header gives a size of {widthPx}×{heightPx} pixels");

    /// <summary>The exception for a truncated file.</summary>
    internal static InvalidImageException EndsEarly(ImageFormat format, int sizeBytes) =>
        new($"damaged {Name(format)} image: the file ends early, after {sizeBytes} bytes; send the whole file");

    /// <summary>The exception for a file whose data differ in size from its header.</summary>
    internal InvalidImageException WrongSize(int widthPx, int heightPx) =>
        new($"damaged {Name(Format)} image: its header says {WidthPx}×{HeightPx} pixels, its data {widthPx}×{heightPx}");

    /// <summary>The format's usual spelling.</summary>
    internal static string Name(ImageFormat format) => format == ImageFormat.WebP ? "WebP" : format.ToString().ToUpperInvariant();

    private static string Describe(ReadOnlySpan<byte> encoded)
    {
        if (encoded.IsEmpty)
            return "an empty file";
        if (encoded.StartsWith("%PDF"u8))
            return "a PDF";
        if (encoded.StartsWith("II*\0"u8) || encoded.StartsWith("MM\0*"u8))
            return "a TIFF image";
        if (encoded.Length >= 12 && encoded[4..].StartsWith("ftyp"u8))
            return "an image or video of the HEIF, AVIF or MP4 family";
        ReadOnlySpan<byte> start = encoded[..Math.Min(encoded.Length, 64)];
        if (start.IndexOfAnyExceptInRange((byte)' ', (byte)'~') is int other && (other < 0 || start[other] is (byte)'\r' or (byte)'\n' or (byte)'\t'))
            return "text";
        return string.Create(
            CultureInfo.InvariantCulture, $"{encoded.Length} bytes that start with {Convert.ToHexString(encoded[..Math.Min(encoded.Length, 4)])}");
    }
}
