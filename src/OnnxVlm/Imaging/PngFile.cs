using System.Buffers.Binary;

namespace OnnxVlm.Imaging;

/// <summary>The structure of a PNG file (ISO/IEC 15948, section 11.2): a signature, then chunks of length, type, data and checksum.</summary>
internal static class PngFile
{
    private const int SignatureBytes = 8;
    private const int ChunkOverheadBytes = 12;

    private static readonly uint[] CrcTable = [.. Enumerable.Range(0, 256).Select(CrcOfByte)];

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

    /// <summary>Whether the pixels are stored in seven passes (Adam7). The file has passed <see cref="ReadHeader"/>.</summary>
    public static bool IsInterlaced(ReadOnlySpan<byte> encoded) => encoded[SignatureBytes + 8 + 12] != 0;

    /// <summary>Bits of a sample: 8 or 16 for colours with transparency. The file has passed <see cref="ReadHeader"/>.</summary>
    public static int BitDepth(ReadOnlySpan<byte> encoded) => encoded[SignatureBytes + 8 + 8];

    /// <summary>Colour type: 6 for colours with transparency. The file has passed <see cref="ReadHeader"/>.</summary>
    public static int ColourType(ReadOnlySpan<byte> encoded) => encoded[SignatureBytes + 8 + 9];

    /// <summary>The compressed pixels: all IDAT chunks in one. The file has passed <see cref="Check"/>.</summary>
    public static byte[] ImageData(ReadOnlySpan<byte> encoded)
    {
        using MemoryStream data = new(encoded.Length);
        int at = SignatureBytes;
        while (TryReadChunk(encoded, ref at, out ReadOnlySpan<byte> type, out ReadOnlySpan<byte> chunk))
        {
            if (type.SequenceEqual("IDAT"u8))
                data.Write(chunk);
        }

        return data.ToArray();
    }

    /// <summary>Checks that the file is whole, and the checksums of the chunks that a decoder cannot do without. The file has passed <see cref="ReadHeader"/>.</summary>
    /// <exception cref="InvalidImageException">The file ends early, or a checksum is wrong.</exception>
    public static void Check(ReadOnlySpan<byte> encoded)
    {
        int at = SignatureBytes;
        ReadOnlySpan<byte> type = default;
        while (!type.SequenceEqual("IEND"u8))
        {
            if (!TryReadChunk(encoded, ref at, out type, out ReadOnlySpan<byte> data))
                throw ImageHeader.EndsEarly(ImageFormat.Png, encoded.Length);
            bool critical = char.IsAsciiLetterUpper((char)type[0]);
            uint stored = BinaryPrimitives.ReadUInt32BigEndian(encoded[(at - 4)..]);
            if (critical && Crc32(encoded.Slice(at - 8 - data.Length, 4 + data.Length)) != stored)
                throw new InvalidImageException("damaged PNG image: a checksum is wrong; send the file again");
        }
    }

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

    /// <summary>ISO/IEC 15948, annex D.</summary>
    private static uint Crc32(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes)
            crc = CrcTable[(byte)(crc ^ b)] ^ (crc >> 8);
        return ~crc;
    }

    private static uint CrcOfByte(int value)
    {
        uint crc = (uint)value;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? 0xEDB88320 ^ (crc >> 1) : crc >> 1;
        return crc;
    }
}
