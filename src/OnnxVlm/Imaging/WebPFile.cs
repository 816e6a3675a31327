using System.Buffers.Binary;

namespace OnnxVlm.Imaging;

/// <summary>The structure of a WebP file (RFC 9649): a RIFF container whose first chunk is VP8, VP8L or VP8X.</summary>
internal static class WebPFile
{
    private const int FirstChunk = 12;
    private const int ChunkHeaderBytes = 8;

    public static ImageHeader ReadHeader(ReadOnlySpan<byte> encoded)
    {
        if (encoded.Length < FirstChunk + ChunkHeaderBytes + 10)
            throw ImageHeader.EndsEarly(ImageFormat.WebP, encoded.Length);
        ReadOnlySpan<byte> type = encoded.Slice(FirstChunk, 4);
        ReadOnlySpan<byte> data = encoded[(FirstChunk + ChunkHeaderBytes)..];
        if (type.SequenceEqual("VP8 "u8) && data[3..].StartsWith<byte>([0x9D, 0x01, 0x2A]))
            return ImageHeader.Create(
                ImageFormat.WebP, BinaryPrimitives.ReadUInt16LittleEndian(data[6..]) & 0x3FFF, BinaryPrimitives.ReadUInt16LittleEndian(data[8..]) & 0x3FFF);
        if (type.SequenceEqual("VP8L"u8) && data[0] == 0x2F)
        {
            uint bits = BinaryPrimitives.ReadUInt32LittleEndian(data[1..]);
            return ImageHeader.Create(ImageFormat.WebP, (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1);
        }

        if (type.SequenceEqual("VP8X"u8))
            return ImageHeader.Create(ImageFormat.WebP, ReadUInt24(data[4..]) + 1, ReadUInt24(data[7..]) + 1, FindOrientation(encoded));
        throw new InvalidImageException("damaged WebP image: the first chunk is not VP8, VP8L or VP8X");
    }

    /// <summary>Checks that the file has the length that its container states. It has passed <see cref="ReadHeader"/>.</summary>
    /// <returns>Bytes per pixel that a decoder needs in addition to the result: it assembles a lossless picture as a whole.</returns>
    /// <exception cref="InvalidImageException">The file is truncated.</exception>
    public static int Check(ReadOnlySpan<byte> encoded)
    {
        const int DecoderBytes = 4;
        return BinaryPrimitives.ReadUInt32LittleEndian(encoded[4..]) <= encoded.Length - ChunkHeaderBytes
            ? DecoderBytes
            : throw ImageHeader.EndsEarly(ImageFormat.WebP, encoded.Length);
    }

    private static ImageOrientation FindOrientation(ReadOnlySpan<byte> encoded)
    {
        long at = FirstChunk;
        while (at + ChunkHeaderBytes <= encoded.Length)
        {
            ReadOnlySpan<byte> chunk = encoded[(int)at..];
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
            if (chunk.StartsWith("EXIF"u8) && length <= chunk.Length - ChunkHeaderBytes)
                return ExifBlock.ReadOrientation(chunk.Slice(ChunkHeaderBytes, (int)length));
            at += ChunkHeaderBytes + length + (length & 1);
        }

        return ImageOrientation.Upright;
    }

    private static int ReadUInt24(ReadOnlySpan<byte> bytes) => bytes[0] | (bytes[1] << 8) | (bytes[2] << 16);
}
