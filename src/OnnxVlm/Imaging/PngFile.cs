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
        return ImageHeader.Create(ImageFormat.Png, width, height, FindOrientation(encoded));
    }

    /// <summary>
    /// Whether the file has an alpha channel that Pillow keeps (in its mode RGBA): colours with alpha, or 16-bit greys with alpha. The file has
    /// passed <see cref="ReadHeader"/>.
    /// </summary>
    public static bool HasAlphaChannel(ReadOnlySpan<byte> encoded) => (BitDepth(encoded), ColourType(encoded)) is (_, 6) or (16, 4);

    /// <summary>Walks the chunks and checks that the file continues to its end. It has passed <see cref="ReadHeader"/>.</summary>
    /// <returns>Bytes per pixel that a decoder needs in addition to the result: it assembles an interlaced picture as a whole.</returns>
    /// <exception cref="InvalidImageException">The file is truncated.</exception>
    public static int Check(ReadOnlySpan<byte> encoded)
    {
        int at = SignatureBytes;
        ReadOnlySpan<byte> type = default;
        while (!type.SequenceEqual("IEND"u8))
        {
            if (!TryReadChunk(encoded, ref at, out type, out _))
                throw ImageHeader.EndsEarly(ImageFormat.Png, encoded.Length);
        }

        bool isInterlaced = encoded[SignatureBytes + 8 + 12] != 0;
        return isInterlaced ? 4 * Math.Max(BitDepth(encoded) / 8, 1) : 0;
    }

    private static int BitDepth(ReadOnlySpan<byte> encoded) => encoded[SignatureBytes + 8 + 8];

    private static int ColourType(ReadOnlySpan<byte> encoded) => encoded[SignatureBytes + 8 + 9];

    private static ImageOrientation FindOrientation(ReadOnlySpan<byte> encoded)
    {
        int at = SignatureBytes;
        while (TryReadChunk(encoded, ref at, out ReadOnlySpan<byte> type, out ReadOnlySpan<byte> data))
        {
            if (type.SequenceEqual("eXIf"u8))
                return ExifBlock.ReadOrientation(data);
        }

        return ImageOrientation.Upright;
    }

    private static bool TryReadChunk(ReadOnlySpan<byte> encoded, scoped ref int at, out ReadOnlySpan<byte> type, out ReadOnlySpan<byte> data)
    {
        type = default;
        data = default;
        if (encoded.Length - at < ChunkOverheadBytes)
            return false;
        uint length = BinaryPrimitives.ReadUInt32BigEndian(encoded[at..]);
        if (length > encoded.Length - at - ChunkOverheadBytes)
            return false;
        type = encoded.Slice(at + 4, 4);
        data = encoded.Slice(at + 8, (int)length);
        at += ChunkOverheadBytes + (int)length;
        return true;
    }
}
