using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>The size an image gets before it is cut into patches: <c>image.resize</c> of <c>onnxvlm.json</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ResizeRule
{
    /// <summary><see cref="ResizeMode.SmartResize"/> refuses images of more than so many times the length of their width.</summary>
    internal const int SmartAspectRatio = 200;

    /// <summary>Which rule computes the size.</summary>
    public required ResizeMode Rule { get; init; }

    /// <summary>The filter of the resampler.</summary>
    public required ResizeFilter Filter { get; init; }

    /// <summary><see cref="ResizeMode.Fit"/>: the most patches of an image, 1 to 65536; required.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxPatches { get; init => field = ManifestCheck.Range(value, 1, 65536, "image.resize.max_patches"); }

    /// <summary><see cref="ResizeMode.Fit"/>: the most rows of patches, 1 to 65536; null for no limit.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxRows { get; init => field = ManifestCheck.Range(value, 1, 65536, "image.resize.max_rows"); }

    /// <summary><see cref="ResizeMode.Fit"/>: the most columns of patches, 1 to 65536; null for no limit.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxColumns { get; init => field = ManifestCheck.Range(value, 1, 65536, "image.resize.max_columns"); }

    /// <summary><see cref="ResizeMode.ShrinkToBox"/>: height of the box in pixels, 1 to 65536; required.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxHeightPx { get; init => field = ManifestCheck.Range(value, 1, 65536, "image.resize.max_height_px"); }

    /// <summary><see cref="ResizeMode.ShrinkToBox"/>: width of the box in pixels, 1 to 65536; required.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxWidthPx { get; init => field = ManifestCheck.Range(value, 1, 65536, "image.resize.max_width_px"); }

    /// <summary><see cref="ResizeMode.SmartResize"/>: the fewest pixels of an image, 1 to 2³⁰; required.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MinPixels { get; init => field = ManifestCheck.Range(value, 1, 1 << 30, "image.resize.min_pixels"); }

    /// <summary><see cref="ResizeMode.SmartResize"/>: the most pixels of an image, 1 to 2³⁰; required.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxPixels { get; init => field = ManifestCheck.Range(value, 1, 1 << 30, "image.resize.max_pixels"); }

    /// <summary>Checks that the rule has the limits it needs, and none of another rule.</summary>
    /// <exception cref="ArgumentException">A limit is missing, or is one that the rule cannot honour.</exception>
    public void Validate()
    {
        Expect(MaxPatches, ResizeMode.Fit, required: true, "max_patches");
        Expect(MaxRows, ResizeMode.Fit, required: false, "max_rows");
        Expect(MaxColumns, ResizeMode.Fit, required: false, "max_columns");
        Expect(MaxHeightPx, ResizeMode.ShrinkToBox, required: true, "max_height_px");
        Expect(MaxWidthPx, ResizeMode.ShrinkToBox, required: true, "max_width_px");
        Expect(MinPixels, ResizeMode.SmartResize, required: true, "min_pixels");
        Expect(MaxPixels, ResizeMode.SmartResize, required: true, "max_pixels");
        if (MinPixels > MaxPixels)
            throw new ArgumentException($"image.resize.min_pixels: expected at most max_pixels ({MaxPixels}), found {MinPixels}; export the model again");
    }

    private void Expect(int? value, ResizeMode rule, bool required, string key)
    {
        if (Rule == rule && required && value is null)
            throw new ArgumentException($"image.resize.{key}: the rule \"{Name}\" needs it, and it is missing; add it or export the model again");
        if (Rule != rule && value is not null)
            throw new ArgumentException($"image.resize.{key}: the rule \"{Name}\" does not use it, found {value}; remove it or export the model again");
    }

    private string Name => JsonNamingPolicy.SnakeCaseLower.ConvertName(Rule.ToString());
}
