using System.Buffers.Binary;

namespace OnnxVlm.Imaging;

/// <summary>The structure of a PNG file (ISO/IEC 15948, section 11.2): a signature, then chunks of length, type, data and checksum.</summary>
internal static class PngFile
{
    private const int SignatureBytes = 8;
    private const int ChunkOverheadBytes = 12;

    public static ImageHeader ReadHeader(ReadOnlySpan<byte> encoded)
    {
        if (encoded.Length < SignatureBytes + ChunkOverheadBytes + 13)
            throw ImageHeader.EndsEarly(ImageFormat.Png, encoded.Length);
        ReadOnlySpan<byte> header = encoded[SignatureBytes..];
        if (BinaryPrimitives.ReadUInt32BigEndian(header) != 13 || !header[4..].StartsWith("IHDR"u8))
            throw new InvalidImageException("damaged PNG image: the first chunk is not IHDR");
        long width = BinaryPrimitives.ReadUInt32BigEndian(header[8..]);
        long height = BinaryPrimitives.ReadUInt32BigEndian(header[12..]);
        return ImageHeader.Create(ImageFormat.Png, width, height, WalkChunks(encoded));
    }

    /// <summary>Whether the pixels are stored in seven passes (Adam7). The file has passed <see cref="ReadHeader"/>.</summary>
    public static bool IsInterlaced(ReadOnlySpan<byte> encoded) => encoded[SignatureBytes + 8 + 12] != 0;

    private static ImageOrientation WalkChunks(ReadOnlySpan<byte> encoded)
    {
        var orientation = ImageOrientation.Upright;
        int at = SignatureBytes;
        while (encoded.Length - at >= ChunkOverheadBytes)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(encoded[at..]);
            if (length > encoded.Length - at - ChunkOverheadBytes)
                break;
            ReadOnlySpan<byte> type = encoded.Slice(at + 4, 4);
            if (type.SequenceEqual("IEND"u8))
                return orientation;
            if (type.SequenceEqual("eXIf"u8))
                orientation = ExifBlock.ReadOrientation(encoded.Slice(at + 8, (int)length));
            at += ChunkOverheadBytes + (int)length;
        }

        throw ImageHeader.EndsEarly(ImageFormat.Png, encoded.Length);
    }
}
