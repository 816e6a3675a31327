using System.Runtime.InteropServices;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Imaging;

/// <summary>Removes the transparency of a decoded image: by the rule of the model, or over white where the user wants that.</summary>
internal static class Transparency
{
    private const int Opaque = 255;

    /// <summary>
    /// Turns RGBA into RGB in place; the first three quarters of the memory then hold the image. Without a rule, alpha is dropped and the colours are
    /// used as stored, as Pillow's <c>convert("RGB")</c> does.
    /// </summary>
    /// <param name="rgba">uint8 <c>[pixels, 4]</c>; afterwards <c>[pixels, 3]</c>.</param>
    /// <param name="hasAlphaChannel">Whether the file has an alpha channel, which transparent colours alone are not.</param>
    /// <param name="rule">The model's rule; null drops it.</param>
    /// <param name="blendsOverWhite">Whether the user wants transparent images over white, whatever the rule.</param>
    /// <returns>Whether transparency was dropped: some pixel is not opaque, and no rule was applied.</returns>
    public static bool Remove(Span<byte> rgba, bool hasAlphaChannel, AlphaMode? rule, bool blendsOverWhite)
    {
        (bool isTransparent, bool someWholly, bool allWholly) = Look(rgba);
        bool blends = isTransparent && (blendsOverWhite || (rule == AlphaMode.WhiteIfTransparent && hasAlphaChannel && someWholly && !allWholly));
        for (int from = 0, to = 0; from < rgba.Length; from += 4, to += 3)
        {
            int alpha = blends ? rgba[from + 3] : Opaque;
            (byte red, byte green, byte blue) = (rgba[from], rgba[from + 1], rgba[from + 2]);
            rgba[to] = alpha == Opaque ? red : OverWhite(red, alpha);
            rgba[to + 1] = alpha == Opaque ? green : OverWhite(green, alpha);
            rgba[to + 2] = alpha == Opaque ? blue : OverWhite(blue, alpha);
        }

        return isTransparent && !blends;
    }

    private static (bool IsTransparent, bool SomeWholly, bool AllWholly) Look(ReadOnlySpan<byte> rgba)
    {
        int least = Opaque, most = 0;
        foreach (uint pixel in MemoryMarshal.Cast<byte, uint>(rgba))
        {
            int alpha = (int)(BitConverter.IsLittleEndian ? pixel >> 24 : pixel & 255);
            least = Math.Min(least, alpha);
            most = Math.Max(most, alpha);
        }

        return (least < Opaque, least == 0, most == 0);
    }

    /// <summary>(value · alpha + 255 · (255 − alpha)) / 255, rounded; 255 divides as in Pillow's Paste.c.</summary>
    private static byte OverWhite(int value, int alpha)
    {
        int sum = (value * alpha) + (Opaque * (Opaque - alpha)) + 128;
        return (byte)(((sum >> 8) + sum) >> 8);
    }
}
