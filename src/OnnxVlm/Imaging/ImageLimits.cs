namespace OnnxVlm.Imaging;

/// <summary>Limits on images that are checked before anything is decoded.</summary>
public sealed record ImageLimits
{
    /// <summary>The largest encoded file in bytes; default 10 MiB.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public long MaxBytes { get; init => field = AtLeastOne(value, nameof(MaxBytes)); } = 10 * 1024 * 1024;

    /// <summary>The largest width · height in pixels; default 40 million (120 MB decoded).</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public int MaxPixels { get; init => field = (int)AtLeastOne(value, nameof(MaxPixels)); } = 40_000_000;

    /// <summary>The smallest shorter side in pixels; default 4.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public int MinSidePx { get; init => field = (int)AtLeastOne(value, nameof(MinSidePx)); } = 4;

    /// <summary>The largest ratio of the longer side to the shorter; default 200.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1 or not a number.</exception>
    public double MaxAspectRatio
    {
        get;
        init => field = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(MaxAspectRatio), $"expected 1 or more, found {value}");
    } = 200;

    /// <summary>Checks the size of a file.</summary>
    /// <exception cref="InvalidImageException">The file is larger than <see cref="MaxBytes"/>.</exception>
    public void CheckBytes(long sizeBytes)
    {
        if (sizeBytes > MaxBytes)
            throw new InvalidImageException($"image too large: {sizeBytes} bytes, the limit is {MaxBytes} (MaxBytes); send a smaller file");
    }

    /// <summary>Checks the sides of an image.</summary>
    /// <exception cref="InvalidImageException">The image has too many pixels, or is too small or too elongated.</exception>
    public void CheckSize(int widthPx, int heightPx)
    {
        if ((long)widthPx * heightPx > MaxPixels)
            throw new InvalidImageException(
                $"image too large: {widthPx}×{heightPx} pixels, the limit is {MaxPixels} pixels in all (MaxPixels); send a smaller image");
        (int shorter, int longer) = (Math.Min(widthPx, heightPx), Math.Max(widthPx, heightPx));
        if (shorter < MinSidePx)
            throw new InvalidImageException(
                $"image too small: {widthPx}×{heightPx} pixels, each side must have {MinSidePx} or more (MinSidePx); send a larger image");
        if (longer > MaxAspectRatio * shorter)
            throw new InvalidImageException(
                $"image too elongated: {widthPx}×{heightPx} pixels, one side may be {MaxAspectRatio} times the other (MaxAspectRatio); crop it");
    }

    private static long AtLeastOne(long value, string name) =>
        value >= 1 ? value : throw new ArgumentOutOfRangeException(name, $"expected 1 or more, found {value}");
}
