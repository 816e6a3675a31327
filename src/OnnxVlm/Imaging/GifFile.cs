using System.Buffers.Binary;

namespace OnnxVlm.Imaging;

/// <summary>The structure of a GIF file (GIF89a specification): header, logical screen descriptor, colour table, then blocks up to a trailer.</summary>
internal static class GifFile
{
    private const int ScreenEnd = 13;
    private const byte Extension = 0x21, ImageSeparator = 0x2C, Trailer = 0x3B, GraphicControl = 0xF9;

    public static ImageHeader ReadHeader(ReadOnlySpan<byte> encoded)
    {
        if (encoded.Length < ScreenEnd)
            throw ImageHeader.EndsEarly(ImageFormat.Gif, encoded.Length);
        return ImageHeader.Create(
            ImageFormat.Gif, BinaryPrimitives.ReadUInt16LittleEndian(encoded[6..]), BinaryPrimitives.ReadUInt16LittleEndian(encoded[8..]));
    }

    /// <summary>Checks that the file continues to its trailer. It has passed <see cref="ReadHeader"/>.</summary>
    /// <returns>Bytes per pixel that a decoder needs in addition to the result.</returns>
    /// <exception cref="InvalidImageException">The file is truncated, or has a block of an unknown type.</exception>
    public static int Check(ReadOnlySpan<byte> encoded)
    {
        int at = ScreenEnd + ColourTableBytes(encoded[10]);
        while (Take(encoded, ref at, 1)[0] is byte block && block != Trailer)
        {
            if (block == Extension)
                Take(encoded, ref at, 1);
            else if (block == ImageSeparator)
                Take(encoded, ref at, ColourTableBytes(Take(encoded, ref at, 9)[8]) + 1);
            else
                throw new InvalidImageException($"damaged GIF image: unknown block 0x{block:X2}; send another file");
            while (Take(encoded, ref at, 1)[0] is byte length && length != 0)
                Take(encoded, ref at, length);
        }

        return 1;
    }

    /// <summary>
    /// Colours the transparent pixels of the first frame by the palette entry of their index, and those around the frame by the first entry, as
    /// Pillow does. A decoder of transparency leaves them black.
    /// </summary>
    /// <param name="encoded">A file that was decoded.</param>
    /// <param name="rgba">uint8 <c>[pixels, 4]</c>; alpha is not changed.</param>
    public static void ColourTransparentPixels(ReadOnlySpan<byte> encoded, Span<byte> rgba)
    {
        ReadOnlySpan<byte> colour = TransparentColour(encoded);
        for (int i = 0; i < rgba.Length; i += 4)
        {
            if (rgba[i + 3] == 0)
                colour.CopyTo(rgba[i..]);
        }
    }

    /// <summary>Red, green and blue of the first frame's transparent index, or of index 0; empty where there is no palette.</summary>
    private static ReadOnlySpan<byte> TransparentColour(ReadOnlySpan<byte> encoded)
    {
        int tableBytes = ColourTableBytes(encoded[10]), at = ScreenEnd + tableBytes, transparent = 0;
        ReadOnlySpan<byte> palette = encoded.Slice(ScreenEnd, tableBytes);
        while (Take(encoded, ref at, 1)[0] == Extension)
        {
            bool isControl = Take(encoded, ref at, 1)[0] == GraphicControl;
            while (Take(encoded, ref at, 1)[0] is byte length && length != 0)
            {
                ReadOnlySpan<byte> data = Take(encoded, ref at, length);
                if (isControl && length >= 4)
                    transparent = (data[0] & 1) != 0 ? data[3] : 0;
            }
        }

        int localBytes = ColourTableBytes(Take(encoded, ref at, 9)[8]);
        if (localBytes > 0)
            palette = Take(encoded, ref at, localBytes);
        return (3 * transparent) + 3 <= palette.Length ? palette.Slice(3 * transparent, 3) : default;
    }

    private static int ColourTableBytes(byte flags) => (flags & 0x80) == 0 ? 0 : 3 << ((flags & 7) + 1);

    private static ReadOnlySpan<byte> Take(ReadOnlySpan<byte> encoded, scoped ref int at, int length)
    {
        if (encoded.Length - at < length)
            throw ImageHeader.EndsEarly(ImageFormat.Gif, encoded.Length);
        at += length;
        return encoded.Slice(at - length, length);
    }
}
