using System.Diagnostics;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Imaging;

/// <summary>
/// From an image file to the patches of one model: limits, header, decoding, EXIF orientation, resizing and cutting.
/// Pixels stay bytes from end to end; normalization is part of the exported graph. Thread-safe if the decoder is.
/// </summary>
public sealed class ImagePreprocessor
{
    private readonly ImageRules _rules;
    private readonly ImageLimits _limits;
    private readonly IImageDecoder _decoder;

    /// <summary>Creates a preprocessor.</summary>
    /// <param name="rules">The image rules of the model folder.</param>
    /// <param name="limits">What an image may demand.</param>
    /// <param name="decoder">Decodes files; used by several threads if this object is, and not disposed.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="rules"/> contradict themselves.</exception>
    public ImagePreprocessor(ImageRules rules, ImageLimits limits, IImageDecoder decoder)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(decoder);
        rules.Validate();
        _rules = rules;
        _limits = limits;
        _decoder = decoder;
    }

    /// <summary>Turns an image file into patches. Nothing is decoded before the file has passed all limits.</summary>
    /// <param name="encoded">The whole file.</param>
    /// <exception cref="InvalidImageException">The file is not an image, is damaged, is in a format the decoder does not take, or is outside the limits.</exception>
    public PatchGrid Process(ReadOnlySpan<byte> encoded) => Process(encoded, out _);

    /// <summary>Turns an image file into patches, and tells how long that took.</summary>
    /// <param name="encoded">The whole file.</param>
    /// <param name="timings">The time of each stage.</param>
    /// <exception cref="InvalidImageException">As <see cref="Process(ReadOnlySpan{byte})"/>.</exception>
    public PatchGrid Process(ReadOnlySpan<byte> encoded, out ImageTimings timings)
    {
        long start = Stopwatch.GetTimestamp();
        return Cut(Decode(encoded), start, out timings);
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
    /// <exception cref="InvalidImageException">The file is not an image, is damaged, is in a format the decoder does not take, or is outside the limits.</exception>
    public RgbImage Decode(ReadOnlySpan<byte> encoded)
    {
        _limits.CheckBytes(encoded.Length);
        ImageHeader header = ImageHeader.Read(encoded);
        if (!_decoder.Formats.Contains(header.Format))
        {
            string supported = string.Join(", ", _decoder.Formats.Select(ImageHeader.Name));
            throw new InvalidImageException($"{ImageHeader.Name(header.Format)} images are not supported here; send one of {supported}");
        }

        _limits.CheckSize(header.WidthPx, header.HeightPx);
        RgbImage image = _rules.Alpha == AlphaMode.WhiteIfTransparent && RgbaPng.IsOne(encoded, header)
            ? RgbaPng.DecodeOverWhiteIfTransparent(encoded, header)
            : _decoder.Decode(encoded, header);
        if (image.WidthPx != header.WidthPx || image.HeightPx != header.HeightPx)
            throw new InvalidImageException($"damaged {ImageHeader.Name(header.Format)} image: its header says {header.WidthPx}×{header.HeightPx} pixels, its data {image.WidthPx}×{image.HeightPx}");
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
