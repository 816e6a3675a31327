using System.Buffers.Binary;

namespace OnnxVlm.Imaging;

/// <summary>The structure of a JPEG file (ITU-T T.81, annex B): marker segments, and after each start of scan the entropy-coded data.</summary>
internal static class JpegFile
{
    private const byte Sof0 = 0xC0, Sof2 = 0xC2, Dht = 0xC4, Rst0 = 0xD0, Rst7 = 0xD7, Soi = 0xD8, Eoi = 0xD9, Sos = 0xDA, Dri = 0xDD;
    private const int MaxSidePx = 65500;

    /// <summary>
    /// A decoder passes over the whole picture for every scan, so a small file with many scans could keep it busy for hours. Encoders write about ten scans.
    /// </summary>
    private const int MaxScans = 100;

    private const byte App0 = 0xE0, App1 = 0xE1, App15 = 0xEF, Com = 0xFE, Tem = 0x01;

    /// <summary>Reads up to the frame header; EXIF, where there is any, comes before it.</summary>
    public static ImageHeader ReadHeader(ReadOnlySpan<byte> encoded)
    {
        var orientation = ImageOrientation.Upright;
        int at = 2;
        while (true)
        {
            byte marker = NextMarker(encoded, ref at);
            if (marker is Tem or (>= Rst0 and <= Rst7))
                continue;
            if (marker is Eoi or Sos)
                throw Damaged("it has no frame header");
            ReadOnlySpan<byte> segment = ReadSegment(encoded, ref at, marker);
            if (marker == App1 && segment.StartsWith("Exif\0\0"u8))
                orientation = ExifBlock.ReadOrientation(segment[6..]);
            if (marker is < Sof0 or > Sof2)
                continue;
            (int widthPx, int heightPx) = ReadFrame(segment);
            return ImageHeader.Create(ImageFormat.Jpeg, widthPx, heightPx, orientation);
        }
    }

    /// <summary>
    /// Walks the whole file without decoding it, and checks that it continues to its end marker and has a sensible number of scans. It has passed
    /// <see cref="ReadHeader"/>.
    /// </summary>
    /// <returns>Bytes per pixel that a decoder needs for coefficients: it keeps all of a progressive picture until the last scan.</returns>
    /// <exception cref="InvalidImageException">The file is truncated, or has too many scans.</exception>
    public static int Check(ReadOnlySpan<byte> encoded)
    {
        int at = 2, scans = 0, coefficientBytes = 0;
        while (NextMarker(encoded, ref at) is byte marker && marker != Eoi)
        {
            if (marker is Tem or (>= Rst0 and <= Rst7))
                continue;
            ReadOnlySpan<byte> segment = ReadSegment(encoded, ref at, marker);
            if (marker == Sof2 && segment.Length > 5)
                coefficientBytes = sizeof(short) * segment[5];
            if (marker == Sos && ++scans > MaxScans)
                throw new InvalidImageException($"unsupported JPEG image: more than {MaxScans} scans; save it again");
        }

        return coefficientBytes;
    }

    /// <summary>SOF (B.2.2): sample precision, height, width, number of components, then three bytes for each of them.</summary>
    private static (int WidthPx, int HeightPx) ReadFrame(ReadOnlySpan<byte> segment)
    {
        if (segment.Length < 6 || segment.Length != 6 + (3 * segment[5]))
            throw Damaged("its frame header has the wrong length");
        if (segment[0] != 8)
            throw new InvalidImageException($"unsupported JPEG image: {segment[0]} bits a sample; save it with 8 bits");
        if (segment[5] is not (1 or 3 or 4))
            throw new InvalidImageException($"unsupported JPEG image: {segment[5]} colour components; save it as grey, RGB or CMYK");
        (int widthPx, int heightPx) = (BinaryPrimitives.ReadUInt16BigEndian(segment[3..]), BinaryPrimitives.ReadUInt16BigEndian(segment[1..]));
        return heightPx > 0 && widthPx > 0 && Math.Max(heightPx, widthPx) <= MaxSidePx
            ? (widthPx, heightPx)
            : throw Damaged($"its header gives a size of {widthPx}×{heightPx} pixels, each side can have 1 to {MaxSidePx}");
    }

    private static InvalidImageException Damaged(string what) => new($"damaged JPEG image: {what}");

    /// <summary>Skips to the next marker, over entropy-coded data or garbage, as libjpeg does.</summary>
    private static byte NextMarker(ReadOnlySpan<byte> encoded, ref int at)
    {
        while (encoded[at..].IndexOf((byte)0xFF) is int skip && skip >= 0)
        {
            at += skip;
            int end = encoded[at..].IndexOfAnyExcept((byte)0xFF);
            if (end < 0)
                break;
            at += end + 1;
            if (encoded[at - 1] != 0)
                return encoded[at - 1];
        }

        throw ImageHeader.EndsEarly(ImageFormat.Jpeg, encoded.Length);
    }

    private static ReadOnlySpan<byte> ReadSegment(ReadOnlySpan<byte> encoded, ref int at, byte marker)
    {
        bool known = marker is (>= Sof0 and <= Sof2) or Dht or (>= Sos and <= Dri) or (>= App0 and <= App15) or Com;
        if (marker == Soi)
            throw Damaged("it starts a second time");
        if (!known)
        {
            throw new InvalidImageException(marker is >= 0xC3 and <= 0xCF
                ? "unsupported JPEG image: it is lossless, hierarchical or arithmetic-coded; save it as baseline or progressive JPEG, or as PNG"
                : $"damaged JPEG image: unknown marker 0x{marker:X2}");
        }

        if (encoded.Length - at < 2)
            throw ImageHeader.EndsEarly(ImageFormat.Jpeg, encoded.Length);
        int length = BinaryPrimitives.ReadUInt16BigEndian(encoded[at..]);
        if (length < 2)
            throw Damaged($"the segment 0x{marker:X2} has a length of {length}");
        if (encoded.Length - at < length)
            throw ImageHeader.EndsEarly(ImageFormat.Jpeg, encoded.Length);
        ReadOnlySpan<byte> segment = encoded.Slice(at + 2, length - 2);
        at += length;
        return segment;
    }
}
