using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>The size an image gets before it is cut into patches: <c>image.resize</c> of <c>onnxvlm.json</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ResizeRule
{
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

    /// <summary>Checks that the rule has the limits it needs, and none of another rule.</summary>
    /// <exception cref="ArgumentException">A limit is missing, or is one that the rule cannot honour.</exception>
    public void Validate()
    {
        bool fit = Rule == ResizeMode.Fit;
        string rule = fit ? "fit" : "shrink_to_box";
        Expect(MaxPatches, required: fit, allowed: fit, "max_patches", rule);
        Expect(MaxRows, required: false, allowed: fit, "max_rows", rule);
        Expect(MaxColumns, required: false, allowed: fit, "max_columns", rule);
        Expect(MaxHeightPx, required: !fit, allowed: !fit, "max_height_px", rule);
        Expect(MaxWidthPx, required: !fit, allowed: !fit, "max_width_px", rule);
    }

    private static void Expect(int? value, bool required, bool allowed, string key, string rule)
    {
        if (required && value is null)
            throw new ArgumentException($"image.resize.{key}: the rule \"{rule}\" needs it, and it is missing; add it or export the model again");
        if (!allowed && value is not null)
            throw new ArgumentException($"image.resize.{key}: the rule \"{rule}\" does not use it, found {value}; remove it or export the model again");
    }
}
