using System.IO.Compression;

namespace OnnxVlm.Imaging;

/// <summary>
/// Reads PNG files of colours with transparency (colour type 6) with the transparency, which the decoders drop or blend away. Of 16 bits the upper 8 are taken, as Pillow does.
/// ISO/IEC 15948, sections 9 to 11.
/// </summary>
internal static class RgbaPng
{
    private const int ColourTypeRgba = 6;
    private const int Channels = 4;

    /// <summary>Whether the file is one of these. It has passed <see cref="ImageHeader.Read"/>.</summary>
    public static bool IsOne(ReadOnlySpan<byte> encoded, ImageHeader header) => header.Format == ImageFormat.Png && PngFile.ColourType(encoded) == ColourTypeRgba;

    /// <summary>
    /// Decodes the colours. Where at least one pixel, and not every one, is wholly transparent they are laid over white; else transparency is dropped.
    /// After <c>load_image_native</c> of NEO.
    /// </summary>
    /// <param name="encoded">A file that <see cref="IsOne"/>.</param>
    /// <param name="header">Its header, within the limits of the caller.</param>
    /// <exception cref="InvalidImageException">The file is damaged or interlaced.</exception>
    public static RgbImage DecodeOverWhiteIfTransparent(ReadOnlySpan<byte> encoded, ImageHeader header)
    {
        byte[] rgba = Decode(encoded, header);
        (bool some, bool all) = (false, true);
        for (int i = Channels - 1; i < rgba.Length; i += Channels)
        {
            some |= rgba[i] == 0;
            all &= rgba[i] == 0;
        }

        bool blend = some && !all;
        byte[] rgb = GC.AllocateUninitializedArray<byte>(rgba.Length / Channels * 3);
        for (int from = 0, to = 0; to < rgb.Length; from += Channels, to += 3)
        {
            for (int channel = 0; channel < 3; channel++)
                rgb[to + channel] = blend ? OverWhite(rgba[from + channel], rgba[from + 3]) : rgba[from + channel];
        }

        return new RgbImage(header.WidthPx, header.HeightPx, rgb);
    }

    /// <summary>(value · alpha + 255 · (255 − alpha)) / 255, rounded; 255 divides as in Pillow's Paste.c.</summary>
    private static byte OverWhite(int value, int alpha)
    {
        int sum = (value * alpha) + (255 * (255 - alpha)) + 128;
        return (byte)(((sum >> 8) + sum) >> 8);
    }

    /// <returns>uint8 [height, width, 4].</returns>
    private static byte[] Decode(ReadOnlySpan<byte> encoded, ImageHeader header)
    {
        PngFile.Check(encoded);
        if (PngFile.IsInterlaced(encoded))
            throw new InvalidImageException("unsupported PNG image: it is interlaced (Adam7); save it without interlacing");
        int bits = PngFile.BitDepth(encoded);
        if (bits is not (8 or 16))
            throw new InvalidImageException($"damaged PNG image: expected 8 or 16 bits a sample, found {bits}");
        int sampleBytes = bits / 8, pixelBytes = Channels * sampleBytes, lineBytes = checked(header.WidthPx * pixelBytes);
        byte[] rgba = GC.AllocateUninitializedArray<byte>(checked(header.HeightPx * header.WidthPx * Channels));
        byte[] line = new byte[lineBytes], above = new byte[lineBytes];
        try
        {
            using ZLibStream data = new(new MemoryStream(PngFile.ImageData(encoded)), CompressionMode.Decompress);
            for (int y = 0; y < header.HeightPx; y++)
            {
                int filter = data.ReadByte();
                data.ReadExactly(line);
                Unfilter(filter, line, above, pixelBytes);
                Span<byte> row = rgba.AsSpan(y * header.WidthPx * Channels, header.WidthPx * Channels);
                for (int i = 0; i < row.Length; i++)
                    row[i] = line[i * sampleBytes];
                (line, above) = (above, line);
            }
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw new InvalidImageException("damaged PNG image: its data cannot be decoded; send another file", e);
        }

        return rgba;
    }

    private static void Unfilter(int filter, Span<byte> line, ReadOnlySpan<byte> above, int pixelBytes)
    {
        for (int i = 0; i < line.Length; i++)
        {
            int left = i < pixelBytes ? 0 : line[i - pixelBytes], up = above[i], upperLeft = i < pixelBytes ? 0 : above[i - pixelBytes];
            line[i] += filter switch
            {
                0 => 0,
                1 => (byte)left,
                2 => (byte)up,
                3 => (byte)((left + up) / 2),
                4 => (byte)Paeth(left, up, upperLeft),
                _ => throw new InvalidImageException($"damaged PNG image: its data have a filter {filter}; send another file"),
            };
        }
    }

    private static int Paeth(int left, int up, int upperLeft)
    {
        int toLeft = Math.Abs(up - upperLeft), toUp = Math.Abs(left - upperLeft), toUpperLeft = Math.Abs(left + up - (2 * upperLeft));
        return toLeft <= toUp && toLeft <= toUpperLeft ? left : toUp <= toUpperLeft ? up : upperLeft;
    }
}
