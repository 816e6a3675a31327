namespace OnnxVlm.Imaging;

/// <summary>What is known of an image file before it is decoded.</summary>
/// <param name="HasAlphaChannel">Whether the file has an alpha channel, which transparent colours alone are not. Pillow opens such a file
/// in the mode RGBA.</param>
/// <param name="DecoderBytesPerPixel">The most bytes per pixel that a decoder needs in addition to its result.</param>
internal readonly record struct FileStructure(bool HasAlphaChannel, int DecoderBytesPerPixel)
{
    /// <summary>Walks a file that has passed <see cref="ImageHeader.Read"/>; linear in its size.</summary>
    /// <exception cref="InvalidImageException">The file is truncated, or is built in a way that would keep a decoder busy.</exception>
    public static FileStructure Read(ReadOnlySpan<byte> encoded, ImageHeader header) => header.Format switch
    {
        ImageFormat.Png => new(PngFile.HasAlphaChannel(encoded), PngFile.Check(encoded)),
        ImageFormat.Jpeg => new(HasAlphaChannel: false, JpegFile.Check(encoded)),
        ImageFormat.Gif => new(HasAlphaChannel: false, GifFile.Check(encoded)),
        ImageFormat.WebP => new(HasAlphaChannel: true, WebPFile.Check(encoded)),
        _ => new(HasAlphaChannel: true, DecoderBytesPerPixel: 0), // a BMP's decoder finds out by itself where it ends
    };
}
