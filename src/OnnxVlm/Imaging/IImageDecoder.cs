namespace OnnxVlm.Imaging;

/// <summary>Decodes image files. Implementations are safe for use from several threads.</summary>
public interface IImageDecoder
{
    /// <summary>The formats that <see cref="Decode"/> takes.</summary>
    IReadOnlyList<ImageFormat> Formats { get; }

    /// <summary>Decodes one image (of an animation the first frame) to 8-bit RGB. EXIF orientation is left to the caller.</summary>
    /// <param name="encoded">The whole file.</param>
    /// <param name="header">Its header, within the limits of the caller; the result has exactly this size.</param>
    /// <exception cref="InvalidImageException">The file is damaged, or uses a feature that this decoder does not support.</exception>
    RgbImage Decode(ReadOnlySpan<byte> encoded, ImageHeader header);
}
