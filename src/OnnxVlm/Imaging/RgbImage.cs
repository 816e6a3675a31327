namespace OnnxVlm.Imaging;

/// <summary>
/// An image in memory: uint8 <c>[height, width, 3]</c>, interleaved red, green, blue, rows without gaps. Immutable as long as the caller
/// does not change the array.
/// </summary>
public sealed class RgbImage
{
    private readonly byte[] _pixels;

    /// <summary>Wraps pixels; the image takes the array over and does not copy it.</summary>
    /// <param name="widthPx">Width in pixels, 1 or more.</param>
    /// <param name="heightPx">Height in pixels, 1 or more.</param>
    /// <param name="pixels">uint8 <c>[height, width, 3]</c>; its length is exactly 3·width·height.</param>
    /// <exception cref="ArgumentNullException"><paramref name="pixels"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A side is less than 1.</exception>
    /// <exception cref="ArgumentException">The length of <paramref name="pixels"/> does not match the sides.</exception>
    public RgbImage(int widthPx, int heightPx, byte[] pixels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(widthPx, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(heightPx, 1);
        ArgumentNullException.ThrowIfNull(pixels);
        if (pixels.Length != 3L * widthPx * heightPx)
            throw new ArgumentException($"expected {3L * widthPx * heightPx} bytes for {widthPx}×{heightPx} pixels, found {pixels.Length}", nameof(pixels));
        WidthPx = widthPx;
        HeightPx = heightPx;
        _pixels = pixels;
    }

    private RgbImage(byte[] pixels, int widthPx, int heightPx)
    {
        WidthPx = widthPx;
        HeightPx = heightPx;
        _pixels = pixels;
    }

    /// <summary>Width in pixels.</summary>
    public int WidthPx { get; }

    /// <summary>Height in pixels.</summary>
    public int HeightPx { get; }

    /// <summary>uint8 <c>[height, width, 3]</c>.</summary>
    public ReadOnlyMemory<byte> Pixels => _pixels.AsMemory(0, 3 * WidthPx * HeightPx);

    /// <summary>Whether the file has transparent pixels that were dropped: the colours are used as stored.</summary>
    public bool DropsTransparency { get; init; }

    /// <summary>How many times longer the sides were before the image was shrunk, by the side that lost more; 1 or less where it was not.</summary>
    public double Reduction { get; init; } = 1;

    /// <summary>One row, uint8 <c>[width, 3]</c>.</summary>
    /// <param name="y">Row, 0 to <see cref="HeightPx"/> − 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="y"/> is outside the image.</exception>
    public ReadOnlySpan<byte> Row(int y) => _pixels.AsSpan(checked(y * 3 * WidthPx), 3 * WidthPx);

    /// <summary>Wraps pixels at the start of a larger array, in which they were decoded.</summary>
    internal static RgbImage AtStartOf(byte[] pixels, int widthPx, int heightPx, bool dropsTransparency) =>
        new(pixels, widthPx, heightPx) { DropsTransparency = dropsTransparency };

    /// <summary>The image turned upright.</summary>
    /// <param name="orientation">How the stored image must be turned.</param>
    /// <returns>This object for <see cref="ImageOrientation.Upright"/>, otherwise a new image.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="orientation"/> is not one of the eight values.</exception>
    public RgbImage Turn(ImageOrientation orientation)
    {
        if (!Enum.IsDefined(orientation))
            throw new ArgumentOutOfRangeException(nameof(orientation), $"expected 1 to 8, found {(int)orientation}");
        if (orientation == ImageOrientation.Upright)
            return this;

        // The stored pixel that becomes the upright (0, 0), and the steps to the next one along a row and down a column.
        (int right, int bottom) = (WidthPx - 1, HeightPx - 1);
        (int x0, int y0, int alongX, int alongY, int downX, int downY) = orientation switch
        {
            ImageOrientation.MirrorHorizontal => (right, 0, -1, 0, 0, 1),
            ImageOrientation.Rotate180 => (right, bottom, -1, 0, 0, -1),
            ImageOrientation.MirrorVertical => (0, bottom, 1, 0, 0, -1),
            ImageOrientation.Transpose => (0, 0, 0, 1, 1, 0),
            ImageOrientation.Rotate90 => (0, bottom, 0, -1, 1, 0),
            ImageOrientation.Transverse => (right, bottom, 0, -1, -1, 0),
            _ => (right, 0, 0, 1, -1, 0), // Rotate270
        };
        (int width, int height) = alongX == 0 ? (HeightPx, WidthPx) : (WidthPx, HeightPx);
        byte[] turned = GC.AllocateUninitializedArray<byte>(3 * width * height);
        int step = 3 * (alongY * WidthPx + alongX);
        int to = 0;
        for (int y = 0; y < height; y++)
        {
            int from = 3 * ((y0 + y * downY) * WidthPx + x0 + y * downX);
            for (int x = 0; x < width; x++, to += 3, from += step)
            {
                turned[to] = _pixels[from];
                turned[to + 1] = _pixels[from + 1];
                turned[to + 2] = _pixels[from + 2];
            }
        }

        return new RgbImage(width, height, turned) { DropsTransparency = DropsTransparency, Reduction = Reduction };
    }
}
