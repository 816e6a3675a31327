using System.Buffers.Binary;

namespace OnnxVlm.Imaging;

/// <summary>The logical screen descriptor of a GIF file (GIF89a specification, section 18).</summary>
internal static class GifFile
{
    public static ImageHeader ReadHeader(ReadOnlySpan<byte> encoded)
    {
        if (encoded.Length < 13)
            throw ImageHeader.EndsEarly(ImageFormat.Gif, encoded.Length);
        return ImageHeader.Create(ImageFormat.Gif, BinaryPrimitives.ReadUInt16LittleEndian(encoded[6..]), BinaryPrimitives.ReadUInt16LittleEndian(encoded[8..]));
    }
}
