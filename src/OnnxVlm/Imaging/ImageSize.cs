using OnnxVlm.ModelFolder;

namespace OnnxVlm.Imaging;

/// <summary>
/// The size that an image is resized to. Products and quotients are in the order of the reference code, since a rounding error can
/// decide about a row of patches.
/// </summary>
internal static class ImageSize
{
    /// <returns>Width and height in pixels, each 1 or more; the given ones if the image keeps its size.</returns>
    /// <exception cref="InvalidImageException">The rule does not accept an image of this size.</exception>
    public static (int WidthPx, int HeightPx) AfterResize(ResizeRule rule, int patchSize, int widthPx, int heightPx) => rule.Rule switch
    {
        ResizeMode.Fit => Fit(rule, patchSize, widthPx, heightPx),
        ResizeMode.ShrinkToBox => ShrinkToBox(rule.MaxWidthPx!.Value, rule.MaxHeightPx!.Value, widthPx, heightPx),
        ResizeMode.SmartResize => SmartResize(rule, patchSize, widthPx, heightPx, least: 1),
        ResizeMode.SmartResizeWithoutFloor => SmartResize(rule, patchSize, widthPx, heightPx, least: 0),
        ResizeMode.FillArea => RefuseTooLong(rule, patchSize, FillArea(rule.MaxPatches!.Value, patchSize, widthPx, heightPx)),
        ResizeMode.Keep => RefuseTooLong(rule, patchSize, Keep(rule.MaxPatches!.Value, patchSize, widthPx, heightPx)),
        _ => throw new ArgumentOutOfRangeException(nameof(rule), $"unknown rule {rule.Rule}"),
    };

    /// <summary>
    /// s = min(columns·p/w, rows·p/h, √(patches·p²/(w·h))); then both sides are rounded down to whole patches, at least one. If the shorter side of
    /// an elongated image had to be rounded up, the longer side loses patches instead. An image within the limits is enlarged in the same way, with s
    /// at most the rule's enlargement, unless rounding down would cost a side pixels.
    /// </summary>
    private static (int WidthPx, int HeightPx) Fit(ResizeRule rule, int p, int w, int h)
    {
        int maxPatches = rule.MaxPatches!.Value;
        int maxRows = Math.Min(rule.MaxRows ?? maxPatches, maxPatches);
        int maxColumns = Math.Min(rule.MaxColumns ?? maxPatches, maxPatches);
        long columns = (w + p - 1L) / p;
        long rows = (h + p - 1L) / p;
        double s = Math.Min(Math.Min(maxColumns * (double)p / w, maxRows * (double)p / h), Math.Sqrt(maxPatches * (double)p * p / ((double)w * h)));
        if (columns <= maxColumns && rows <= maxRows && columns * rows <= maxPatches)
        {
            s = Math.Min(s, rule.MaxEnlargement ?? 1);
            (int WidthPx, int HeightPx) larger = ((int)Math.Floor(w * s / p) * p, (int)Math.Floor(h * s / p) * p);
            return larger.WidthPx >= w && larger.HeightPx >= h ? larger : (w, h);
        }

        columns = Math.Max(1, (long)Math.Floor(w * s / p));
        rows = Math.Max(1, (long)Math.Floor(h * s / p));
        if (columns >= rows)
            columns = Math.Min(columns, maxPatches / rows);
        else
            rows = Math.Min(rows, maxPatches / columns);
        return ((int)columns * p, (int)rows * p);
    }

    /// <summary>As <c>FuyuImageProcessor.resize</c>; a side that would vanish keeps one pixel.</summary>
    private static (int WidthPx, int HeightPx) ShrinkToBox(int boxWidth, int boxHeight, int w, int h)
    {
        if (w <= boxWidth && h <= boxHeight)
            return (w, h);
        double s = Math.Min((double)boxHeight / h, (double)boxWidth / w);
        return (Math.Max(1, (int)(w * s)), Math.Max(1, (int)(h * s)));
    }

    /// <summary>
    /// As <c>smart_resize</c>. In qwen-vl-utils and NEO, a side is rounded to at least one patch; in transformers it may be zero. Halves are
    /// rounded to even, as in Python.
    /// </summary>
    private static (int WidthPx, int HeightPx) SmartResize(ResizeRule rule, int p, int w, int h, int least)
    {
        (int min, int max) = (rule.MinPixels!.Value, rule.MaxPixels!.Value);
        if ((double)Math.Max(w, h) / Math.Min(w, h) > ResizeRule.SmartAspectRatio)
            throw new InvalidImageException(
                $"image too elongated: {w}×{h} pixels, the model takes one side of {ResizeRule.SmartAspectRatio} times the other; crop it");
        (double columns, double rows) = (Math.Max(least, Math.Round((double)w / p)), Math.Max(least, Math.Round((double)h / p)));
        if (columns * rows * p * p > max)
        {
            double shrink = Math.Sqrt((double)w * h / max);
            (columns, rows) = (Math.Max(1, Math.Floor(w / shrink / p)), Math.Max(1, Math.Floor(h / shrink / p)));
        }
        else if (columns * rows * p * p < min)
        {
            double grow = Math.Sqrt(min / ((double)w * h));
            (columns, rows) = (Math.Ceiling(w * grow / p), Math.Ceiling(h * grow / p));
        }

        return ((int)columns * p, (int)rows * p);
    }

    /// <summary>
    /// As <c>get_aspect_ratio_preserving_size</c> of Gemma's image processor: s = √(patches·p²/(w·h)), and both sides are rounded down to whole
    /// patches. If nothing would be left of the shorter side, the image gets one row instead. The row has as many patches as the longer side is times
    /// the shorter, if the budget allows.
    /// </summary>
    private static (int WidthPx, int HeightPx) FillArea(int maxPatches, int p, int w, int h)
    {
        double s = Math.Sqrt((double)maxPatches * p * p / ((double)w * h));
        int columns = (int)Math.Floor(s * w / p), rows = (int)Math.Floor(s * h / p);
        if (rows == 0)
            (columns, rows) = (Math.Min(w / h, maxPatches), 1);
        else if (columns == 0)
            (columns, rows) = (1, Math.Min(h / w, maxPatches));
        return (columns * p, rows * p);
    }

    private static (int WidthPx, int HeightPx) RefuseTooLong(ResizeRule rule, int p, (int WidthPx, int HeightPx) size) =>
        size.WidthPx / p <= (rule.MaxColumns ?? int.MaxValue) && size.HeightPx / p <= (rule.MaxRows ?? int.MaxValue)
            ? size
            : throw new InvalidImageException(
                $"image too elongated: the model takes {rule.MaxColumns} columns and {rule.MaxRows} rows of {p} pixels at most; crop it");

    private static (int WidthPx, int HeightPx) Keep(int maxPatches, int p, int w, int h)
    {
        if (w % p != 0 || h % p != 0 || (long)(w / p) * (h / p) > maxPatches)
            throw new InvalidImageException(
                $"{w}×{h} pixels: this model does not resize images, and takes sides " +
                $"that are multiples of {p} with at most {maxPatches} squares of {p} pixels; resize the image");
        return (w, h);
    }
}
