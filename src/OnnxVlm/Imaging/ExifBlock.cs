using System.Buffers.Binary;

namespace OnnxVlm.Imaging;

/// <summary>
/// The one EXIF value that this library uses, from a TIFF block (TIFF 6.0, section 2). Other tags, subdirectories, maker notes and thumbnails are not
/// read: thousands of tags may point at the same bytes, so that a block of 64 KiB can make a full reader allocate gigabytes.
/// </summary>
internal static class ExifBlock
{
    private const int OrientationTag = 0x0112;
    private const int ShortType = 3;
    private const int EntryBytes = 12;

    /// <summary>The orientation of the first directory; upright when there is none or the block is damaged, as in browsers.</summary>
    public static ImageOrientation ReadOrientation(ReadOnlySpan<byte> tiff)
    {
        bool little = tiff.StartsWith("II*\0"u8);
        if (tiff.Length < 8 || !(little || tiff.StartsWith("MM\0*"u8)))
            return ImageOrientation.Upright;
        uint directory = little ? BinaryPrimitives.ReadUInt32LittleEndian(tiff[4..]) : BinaryPrimitives.ReadUInt32BigEndian(tiff[4..]);
        if (directory > tiff.Length - 2)
            return ImageOrientation.Upright;

        int entries = Read16(tiff[(int)directory..], little);
        for (int at = (int)directory + 2; entries > 0 && at <= tiff.Length - EntryBytes; at += EntryBytes, entries--)
        {
            if (Read16(tiff[at..], little) != OrientationTag)
                continue;
            int value = Read16(tiff[(at + 8)..], little);
            return Read16(tiff[(at + 2)..], little) == ShortType && value is >= 1 and <= 8 ? (ImageOrientation)value : ImageOrientation.Upright;
        }

        return ImageOrientation.Upright;
    }

    private static int Read16(ReadOnlySpan<byte> bytes, bool little) =>
        little ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes);
}
