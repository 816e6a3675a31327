using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>The size an image gets before it is cut into patches: <c>image.resize</c> of <c>onnxvlm.json</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ResizeRule
{
    /// <summary>
    /// <see cref="ResizeMode.SmartResize"/> and <see cref="ResizeMode.SmartResizeWithoutFloor"/> refuse images whose longer side is more than
    /// this many times the shorter.
    /// </summary>
    internal const int SmartAspectRatio = 200;

    /// <summary>Which rule computes the size.</summary>
    public required ResizeMode Rule { get; init; }

    /// <summary>The filter of the resampler.</summary>
    public required ResizeFilter Filter { get; init; }

    /// <summary>
    /// <see cref="ResizeMode.Fit"/>, <see cref="ResizeMode.FillArea"/> and <see cref="ResizeMode.Keep"/>: the most patches of an image, 1 to 65536; required.
    /// </summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxPatches { get; init => field = ManifestCheck.Range(value, 1, 65536, "image.resize.max_patches"); }

    /// <summary>
    /// <see cref="ResizeMode.Fit"/>: the most rows of patches, 1 to 65536; null for no limit. Under <see cref="ResizeMode.FillArea"/> and
    /// <see cref="ResizeMode.Keep"/>, an image with more rows is refused.
    /// </summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxRows { get; init => field = ManifestCheck.Range(value, 1, 65536, "image.resize.max_rows"); }

    /// <summary>The same for columns of patches.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxColumns { get; init => field = ManifestCheck.Range(value, 1, 65536, "image.resize.max_columns"); }

    /// <summary>
    /// <see cref="ResizeMode.Fit"/>: the largest factor by which an image is enlarged, 1 to 16, within the other limits; null where
    /// images are never enlarged.
    /// </summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public double? MaxEnlargement { get; init => field = ManifestCheck.Range(value, 1, 16, "image.resize.max_enlargement"); }

    /// <summary><see cref="ResizeMode.ShrinkToBox"/>: height of the box in pixels, 1 to 65536; required.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxHeightPx { get; init => field = ManifestCheck.Range(value, 1, 65536, "image.resize.max_height_px"); }

    /// <summary><see cref="ResizeMode.ShrinkToBox"/>: width of the box in pixels, 1 to 65536; required.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxWidthPx { get; init => field = ManifestCheck.Range(value, 1, 65536, "image.resize.max_width_px"); }

    /// <summary>
    /// <see cref="ResizeMode.SmartResize"/> and <see cref="ResizeMode.SmartResizeWithoutFloor"/>: the fewest pixels of an image, 1 to 2³⁰; required.
    /// </summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MinPixels { get; init => field = ManifestCheck.Range(value, 1, 1 << 30, "image.resize.min_pixels"); }

    /// <summary>
    /// <see cref="ResizeMode.SmartResize"/> and <see cref="ResizeMode.SmartResizeWithoutFloor"/>: the most pixels of an image, 1 to 2³⁰; required.
    /// </summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? MaxPixels { get; init => field = ManifestCheck.Range(value, 1, 1 << 30, "image.resize.max_pixels"); }

    /// <summary>
    /// The largest value that <see cref="MaxPixels"/> can be raised to, as in the model's training, 1 to 2³⁰; null where it cannot be raised.
    /// </summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? LimitPixels { get; init => field = ManifestCheck.Range(value, 1, 1 << 30, "image.resize.limit_pixels"); }

    /// <summary>
    /// <see cref="ResizeMode.FillArea"/>: the values of <see cref="MaxPatches"/> that the model was trained with; null where any value will do.
    /// </summary>
    public IReadOnlyList<int>? Budgets { get; init; }

    /// <summary>Checks that the rule has the limits it needs, and no limit of another rule.</summary>
    /// <exception cref="ArgumentException">A limit is missing, or the rule does not use it.</exception>
    public void Validate()
    {
        Expect(MaxPatches, required: true, "max_patches", ResizeMode.Fit, ResizeMode.FillArea, ResizeMode.Keep);
        Expect(MaxRows, required: false, "max_rows", ResizeMode.Fit, ResizeMode.FillArea, ResizeMode.Keep);
        Expect(MaxColumns, required: false, "max_columns", ResizeMode.Fit, ResizeMode.FillArea, ResizeMode.Keep);
        Expect(MaxEnlargement, required: false, "max_enlargement", ResizeMode.Fit);
        Expect(MaxHeightPx, required: true, "max_height_px", ResizeMode.ShrinkToBox);
        Expect(MaxWidthPx, required: true, "max_width_px", ResizeMode.ShrinkToBox);
        Expect(Budgets?.Count, required: false, "budgets", ResizeMode.FillArea);
        Expect(MinPixels, required: true, "min_pixels", ResizeMode.SmartResize, ResizeMode.SmartResizeWithoutFloor);
        Expect(MaxPixels, required: true, "max_pixels", ResizeMode.SmartResize, ResizeMode.SmartResizeWithoutFloor);
        Expect(LimitPixels, required: false, "limit_pixels", ResizeMode.SmartResize, ResizeMode.SmartResizeWithoutFloor);
        if (MinPixels > MaxPixels)
            throw new ArgumentException($"image.resize.min_pixels: expected at most max_pixels ({MaxPixels}), found {MinPixels}; export the model again");
        if (LimitPixels < MaxPixels)
            throw new ArgumentException($"image.resize.limit_pixels: expected at least max_pixels ({MaxPixels}), found {LimitPixels}; export the model again");
        if (Budgets is not null && !Budgets.Contains(MaxPatches!.Value))
            throw new ArgumentException(
                $"image.resize.max_patches: expected one of {string.Join(", ", Budgets)}, found {MaxPatches}; choose one of these or export the model again");
    }

    private void Expect(double? value, bool required, string key, params ResizeMode[] rules)
    {
        bool allowed = Array.IndexOf(rules, Rule) >= 0;
        string rule = JsonNamingPolicy.SnakeCaseLower.ConvertName(Rule.ToString());
        if (required && allowed && value is null)
            throw new ArgumentException($"image.resize.{key}: the rule \"{rule}\" needs it, and it is missing; add it or export the model again");
        if (!allowed && value is not null)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                $"image.resize.{key}: the rule \"{rule}\" does not use it, found {value}; remove it or export the model again"));
    }
}
