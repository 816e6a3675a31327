namespace OnnxVlm.Imaging;

/// <summary>Decodes image files. Implementations are safe for use from several threads.</summary>
public interface IImageDecoder
{
    /// <summary>The formats that <see cref="Decode"/> accepts.</summary>
    IReadOnlyList<ImageFormat> Formats { get; }

    /// <summary>Decodes one image; of an animation, the first frame. EXIF orientation is left to the caller.</summary>
    /// <param name="encoded">The whole file.</param>
    /// <param name="header">Its header, within the limits of the caller.</param>
    /// <param name="rgba">Receives the pixels: uint8 <c>[height, width, 4]</c> of exactly the header's size; red, green, blue as stored, then alpha
    /// (0 transparent, 255 opaque). The colours are not premultiplied by alpha.</param>
    /// <exception cref="InvalidImageException">The file is damaged or truncated, differs in size from its header, or uses a feature that this decoder
    /// does not support.</exception>
    void Decode(ReadOnlySpan<byte> encoded, ImageHeader header, Span<byte> rgba);
}
