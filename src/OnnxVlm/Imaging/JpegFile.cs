using System.Buffers.Binary;

namespace OnnxVlm.Imaging;

/// <summary>The structure of a JPEG file (ITU-T T.81, annex B): marker segments, and after each start of scan the entropy-coded data.</summary>
internal static class JpegFile
{
    private const byte Sof0 = 0xC0, Sof2 = 0xC2, Dht = 0xC4, Rst0 = 0xD0, Rst7 = 0xD7, Soi = 0xD8, Eoi = 0xD9, Sos = 0xDA, Dqt = 0xDB, Dri = 0xDD;
    private const byte App0 = 0xE0, App1 = 0xE1, App14 = 0xEE, App15 = 0xEF, Com = 0xFE, Tem = 0x01;

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
            var frame = new JpegFrame();
            frame.ReadStartOfFrame(segment, baseline: marker == Sof0, progressive: marker == Sof2);
            return ImageHeader.Create(ImageFormat.Jpeg, frame.WidthPx, frame.HeightPx, orientation);
        }
    }

    /// <summary>
    /// Walks the whole file, without decoding. What libjpeg takes for a fatal error is refused here, because a program that uses libjpeg with its
    /// default error handler, as ORT Extensions does, is ended by such a file; one that ends before its end marker would keep it waiting forever.
    /// </summary>
    /// <exception cref="InvalidImageException">The file ends early, breaks the standard, or uses a part of it that libjpeg does not support.</exception>
    public static void Check(ReadOnlySpan<byte> encoded)
    {
        var frame = new JpegFrame();
        int at = 2;
        while (NextMarker(encoded, ref at) is byte marker && marker != Eoi)
        {
            if (marker is Tem or (>= Rst0 and <= Rst7))
                continue;
            ReadOnlySpan<byte> segment = ReadSegment(encoded, ref at, marker);
            switch (marker)
            {
                case >= Sof0 and <= Sof2:
                    frame.ReadStartOfFrame(segment, baseline: marker == Sof0, progressive: marker == Sof2);
                    break;
                case Dht:
                    frame.ReadHuffmanTables(segment);
                    break;
                case Dqt:
                    frame.ReadQuantizationTables(segment);
                    break;
                case Dri when segment.Length != 2:
                    throw Damaged("its restart interval has the wrong length");
                case Sos:
                    frame.ReadStartOfScan(segment);
                    break;
            }
        }

        if (!frame.HasScan)
            throw Damaged("it has no picture data");
    }

    /// <summary>Whether an Adobe segment says that the file came from Adobe's programs, which store CMYK inverted. The file has passed <see cref="ReadHeader"/>.</summary>
    public static bool HasAdobeSegment(ReadOnlySpan<byte> encoded)
    {
        int at = 2;
        while (NextMarker(encoded, ref at) is byte marker && marker is not (Sos or Eoi))
        {
            if (marker is Tem or (>= Rst0 and <= Rst7))
                continue;
            if (ReadSegment(encoded, ref at, marker).StartsWith("Adobe"u8) && marker == App14)
                return true;
        }

        return false;
    }

    /// <summary>The exception for a file that breaks the standard.</summary>
    public static InvalidImageException Damaged(string what) => new($"damaged JPEG image: {what}");

    /// <summary>Skips to the next marker, over entropy-coded data or garbage as libjpeg does.</summary>
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
