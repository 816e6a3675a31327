using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>The rule that computes the size of the resized image.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<ResizeMode>))]
public enum ResizeMode
{
    /// <summary>
    /// The image keeps its scale; it is shrunk, to whole patches, only when it has more rows, columns or patches than the model takes. Where the model says so, a smaller one is enlarged, to whole patches, too.
    /// The rule of this project's own architecture, <c>unified_decoder</c>.
    /// </summary>
    Fit,

    /// <summary>
    /// The image keeps its scale; it is shrunk only when it is larger than a box, with its aspect ratio, and the new sides are truncated to integers.
    /// The rule of Fuyu (Hugging Face's <c>FuyuImageProcessor.resize</c>).
    /// </summary>
    ShrinkToBox,

    /// <summary>
    /// The image is scaled, up as well as down, to the most whole patches that a budget allows; its aspect ratio changes by what rounding down to whole patches takes.
    /// The rule of Gemma (Hugging Face's <c>get_aspect_ratio_preserving_size</c>).
    /// </summary>
    FillArea,

    /// <summary>The image is taken as it is, and refused unless it is whole patches, and not more than a budget allows.</summary>
    Keep,

    /// <summary>
    /// Each side is rounded to whole patches, and a scale brings the image to a number of pixels between two limits. An image whose longer side is more than 200 times the shorter is refused.
    /// The rule of Qwen's vision models and of NEO (<c>smart_resize</c>).
    /// </summary>
    SmartResize,

    /// <summary>
    /// The same, but that a side of less than half a patch counts as none at first: such an image is enlarged as one with too few pixels. The rule of Qwen3.5 (<c>smart_resize</c> of transformers).
    /// </summary>
    SmartResizeWithoutFloor,
}
