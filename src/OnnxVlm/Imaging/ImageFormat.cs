namespace OnnxVlm.Imaging;

/// <summary>A file format whose header <see cref="ImageHeader"/> reads. The <see cref="IImageDecoder"/> determines which of them can be decoded.</summary>
public enum ImageFormat
{
    /// <summary>Portable Network Graphics.</summary>
    Png,

    /// <summary>JPEG, Huffman-coded, baseline or progressive.</summary>
    Jpeg,

    /// <summary>GIF 87a or 89a.</summary>
    Gif,

    /// <summary>Windows bitmap.</summary>
    Bmp,

    /// <summary>WebP, lossy or lossless.</summary>
    WebP,
}
