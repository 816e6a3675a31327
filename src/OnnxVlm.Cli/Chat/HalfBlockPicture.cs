using System.Globalization;
using System.Text;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Cli.Chat;

/// <summary>
/// An image in a terminal with 24-bit colours: each character cell shows two pixels, the upper one as the colour of ▀ and the lower one as its background.
/// </summary>
internal static class HalfBlockPicture
{
    /// <summary>Fits an image into a box of cells, keeping its aspect ratio, and draws it.</summary>
    /// <param name="image">The image; a small one is not enlarged.</param>
    /// <param name="maxColumns">Width of the box in cells, 1 or more.</param>
    /// <param name="maxRows">Height of the box in cells, 1 or more.</param>
    /// <returns>One string for each row of cells; each ends with the colours reset.</returns>
    public static IReadOnlyList<string> Render(RgbImage image, int maxColumns, int maxRows)
    {
        double scale = Math.Min(1, Math.Min((double)maxColumns / image.WidthPx, 2.0 * maxRows / image.HeightPx));
        int width = Math.Clamp((int)Math.Round(image.WidthPx * scale), 1, maxColumns);
        int height = Math.Clamp((int)Math.Round(image.HeightPx * scale), 1, 2 * maxRows);
        RgbImage small = Resampler.Resize(image, width, height, ResizeFilter.Bilinear);

        List<string> rows = [];
        for (int y = 0; y < height; y += 2)
            rows.Add(DrawRow(small.Row(y), y + 1 < height ? small.Row(y + 1) : []));
        return rows;
    }

    // A colour is written only where it changes. Below an odd last row, the terminal's own background stays.
    private static string DrawRow(ReadOnlySpan<byte> upper, ReadOnlySpan<byte> lower)
    {
        StringBuilder row = new();
        for (int i = 0; i < upper.Length; i += 3)
        {
            if (i == 0 || !upper.Slice(i, 3).SequenceEqual(upper.Slice(i - 3, 3)))
                row.Append(CultureInfo.InvariantCulture, $"\e[38;2;{upper[i]};{upper[i + 1]};{upper[i + 2]}m");
            if (!lower.IsEmpty && (i == 0 || !lower.Slice(i, 3).SequenceEqual(lower.Slice(i - 3, 3))))
                row.Append(CultureInfo.InvariantCulture, $"\e[48;2;{lower[i]};{lower[i + 1]};{lower[i + 2]}m");
            row.Append('▀');
        }
        return row.Append("\e[0m").ToString();
    }
}
