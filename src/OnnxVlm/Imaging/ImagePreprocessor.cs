using System.Diagnostics;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Imaging;

/// <summary>
/// Turns an image file into the patches of one model: limits, header, decoding, EXIF orientation, resizing and cutting. Pixels stay bytes from end to
/// end; normalization is part of the exported graph. Thread-safe if the decoder is.
/// </summary>
public sealed class ImagePreprocessor
{
    private readonly ImageRules _rules;
    private readonly ImageLimits _limits;
    private readonly IImageDecoder _decoder;
    private readonly bool _blendsAlpha;

    /// <summary>Creates a preprocessor.</summary>
    /// <param name="rules">The image rules of the model folder.</param>
    /// <param name="limits">The limits on images.</param>
    /// <param name="decoder">Decodes files. It is used by several threads if this object is, and is not disposed. Null for
    /// <see cref="SkiaImageDecoder"/>.</param>
    /// <param name="blendsAlpha">Whether transparent images are blended over white, whatever the rule of the model.</param>
    /// <exception cref="ArgumentNullException">The rules or the limits are null.</exception>
    /// <exception cref="ArgumentException"><paramref name="rules"/> contradict themselves.</exception>
    public ImagePreprocessor(ImageRules rules, ImageLimits limits, IImageDecoder? decoder = null, bool blendsAlpha = false)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(limits);
        rules.Validate();
        _rules = rules;
        _limits = limits;
        _decoder = decoder ?? new SkiaImageDecoder();
        _blendsAlpha = blendsAlpha;
    }

    /// <summary>
    /// Turns an image file into patches. Nothing is decoded before the file has passed all limits. All images that this process decodes at the same
    /// time share 400 MiB: an image that does not fit waits, and one that is larger is decoded alone.
    /// </summary>
    /// <param name="encoded">The whole file.</param>
    /// <param name="cancellationToken">Ends the waiting with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidImageException">The file is not an image, is damaged, is in a format that the decoder does not accept, or is
    /// outside the limits.</exception>
    public PatchGrid Process(ReadOnlySpan<byte> encoded, CancellationToken cancellationToken = default) => Process(encoded, out _, cancellationToken);

    /// <summary>Turns an image file into patches, and reports how long that took.</summary>
    /// <param name="encoded">The whole file.</param>
    /// <param name="timings">The time of each stage.</param>
    /// <param name="cancellationToken">Ends the waiting with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidImageException">As <see cref="Process(ReadOnlySpan{byte}, CancellationToken)"/>.</exception>
    public PatchGrid Process(ReadOnlySpan<byte> encoded, out ImageTimings timings, CancellationToken cancellationToken = default)
    {
        long start = Stopwatch.GetTimestamp();
        ImageHeader header = Check(encoded, out FileStructure structure);
        using IDisposable admission = Admit(header, structure, cancellationToken);
        byte[] pixels = PixelBuffers.Take((int)header.RgbaBytes);
        PatchGrid patches = Cut(Decode(encoded, header, structure, pixels), start, out timings);
        PixelBuffers.GiveBack(pixels);
        return patches;
    }

    /// <summary>Turns pixels into patches.</summary>
    /// <param name="image">An upright image.</param>
    /// <exception cref="ArgumentNullException"><paramref name="image"/> is null.</exception>
    /// <exception cref="InvalidImageException">The image is outside the limits.</exception>
    public PatchGrid Process(RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        _limits.CheckSize(image.WidthPx, image.HeightPx);
        return Cut(image, Stopwatch.GetTimestamp(), out _);
    }

    /// <summary>Decodes an image file and turns it upright, in its own size. Nothing is decoded before the file has passed all limits.</summary>
    /// <param name="encoded">The whole file.</param>
    /// <param name="cancellationToken">Ends the waiting with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidImageException">The file is not an image, is damaged, is in a format that the decoder does not accept, or is
    /// outside the limits.</exception>
    public RgbImage Decode(ReadOnlySpan<byte> encoded, CancellationToken cancellationToken = default)
    {
        ImageHeader header = Check(encoded, out FileStructure structure);
        using IDisposable admission = Admit(header, structure, cancellationToken);
        return Decode(encoded, header, structure, GC.AllocateUninitializedArray<byte>((int)header.RgbaBytes));
    }

    /// <summary>Reads only the header of an image file.</summary>
    /// <param name="encoded">The whole file.</param>
    /// <returns>As many patches as <see cref="Process(ReadOnlySpan{byte}, CancellationToken)"/> would return, without pixels.</returns>
    /// <exception cref="InvalidImageException">The file is not an image, is in a format that the decoder does not accept, or is
    /// outside the limits.</exception>
    internal PatchGrid Measure(ReadOnlySpan<byte> encoded)
    {
        (int widthPx, int heightPx) = CheckHeader(encoded).UprightSize;
        PatchShape shape = PatchShape.Of(_rules, widthPx, heightPx);
        return new PatchGrid(shape.Rows, shape.Columns, []);
    }

    private ImageHeader Check(ReadOnlySpan<byte> encoded, out FileStructure structure)
    {
        ImageHeader header = CheckHeader(encoded);
        structure = FileStructure.Read(encoded, header);
        return header;
    }

    private ImageHeader CheckHeader(ReadOnlySpan<byte> encoded)
    {
        _limits.CheckBytes(encoded.Length);
        ImageHeader header = ImageHeader.Read(encoded);
        if (!_decoder.Formats.Contains(header.Format))
        {
            string supported = string.Join(", ", _decoder.Formats.Select(ImageHeader.Name));
            throw new InvalidImageException($"{ImageHeader.Name(header.Format)} images are not supported here; send one of {supported}");
        }

        _limits.CheckSize(header.WidthPx, header.HeightPx);
        if (header.RgbaBytes > Array.MaxLength)
            throw new InvalidImageException($"image too large: {header.WidthPx}×{header.HeightPx} pixels do not fit into one array; send a smaller image");
        return header;
    }

    private static IDisposable Admit(ImageHeader header, FileStructure structure, CancellationToken cancellationToken)
    {
        int turnedBytesPerPixel = header.Orientation == ImageOrientation.Upright ? 0 : 3;
        long bytes = header.RgbaBytes + ((long)(structure.DecoderBytesPerPixel + turnedBytesPerPixel) * header.WidthPx * header.HeightPx);
        return DecodingBudget.OfProcess.Enter(bytes, cancellationToken);
    }

    // The image lies at the start of the pixels, unless it had to be turned.
    private RgbImage Decode(ReadOnlySpan<byte> encoded, ImageHeader header, FileStructure structure, byte[] pixels)
    {
        Span<byte> rgba = pixels.AsSpan(0, (int)header.RgbaBytes);
        _decoder.Decode(encoded, header, rgba);
        bool isDropped = Transparency.Remove(rgba, structure.HasAlphaChannel, _rules.Alpha, _blendsAlpha);
        RgbImage image = RgbImage.AtStartOf(pixels, header.WidthPx, header.HeightPx, isDropped);
        return image.Turn(header.Orientation);
    }

    private PatchGrid Cut(RgbImage image, long start, out ImageTimings timings)
    {
        long decoded = Stopwatch.GetTimestamp();
        (int width, int height) = ImageSize.AfterResize(_rules.Resize, _rules.PatchSize, image.WidthPx, image.HeightPx);
        RgbImage resized = Resampler.Resize(image, width, height, _rules.Resize.Filter);
        long resizedAt = Stopwatch.GetTimestamp();
        PatchGrid patches = PatchCutter.Cut(resized, _rules.PatchSize, _rules.PatchLayout, _rules.Padding);
        timings = new ImageTimings(Stopwatch.GetElapsedTime(start, decoded), Stopwatch.GetElapsedTime(decoded, resizedAt), Stopwatch.GetElapsedTime(resizedAt));
        return patches;
    }
}
