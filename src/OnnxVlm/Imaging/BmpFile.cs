using System.Buffers.Binary;

namespace OnnxVlm.Imaging;

/// <summary>The header of a Windows bitmap: BITMAPFILEHEADER, then BITMAPCOREHEADER or BITMAPINFOHEADER and its successors.</summary>
internal static class BmpFile
{
    private const int CoreHeaderBytes = 12;

    /// <summary>"BM" alone could begin any text, so the size of the second header must also be one that exists.</summary>
    public static bool HasHeader(ReadOnlySpan<byte> encoded) =>
        encoded.Length >= 18 && BinaryPrimitives.ReadUInt32LittleEndian(encoded[14..]) is CoreHeaderBytes or 40 or 52 or 56 or 64 or 108 or 124;

    public static ImageHeader ReadHeader(ReadOnlySpan<byte> encoded)
    {
        if (encoded.Length < 26)
            throw ImageHeader.EndsEarly(ImageFormat.Bmp, encoded.Length);
        if (BinaryPrimitives.ReadUInt32LittleEndian(encoded[14..]) == CoreHeaderBytes)
            return ImageHeader.Create(
                ImageFormat.Bmp, BinaryPrimitives.ReadUInt16LittleEndian(encoded[18..]), BinaryPrimitives.ReadUInt16LittleEndian(encoded[20..]));

        // A negative height means that the rows run from top to bottom.
        long width = BinaryPrimitives.ReadInt32LittleEndian(encoded[18..]);
        long height = BinaryPrimitives.ReadInt32LittleEndian(encoded[22..]);
        return ImageHeader.Create(ImageFormat.Bmp, width, Math.Abs(height));
    }
}
