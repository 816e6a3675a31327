using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>The rule that computes the size of the resized image.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<ResizeMode>))]
public enum ResizeMode
{
    /// <summary>
    /// The image keeps its scale. It is shrunk, to whole patches, only when it has more rows, columns or patches than the model takes. Where the
    /// model says so, a smaller image is enlarged, also to whole patches. The rule of this project's own architecture, <c>unified_decoder</c>.
    /// </summary>
    Fit,

    /// <summary>
    /// The image keeps its scale. It is shrunk only when it is larger than a box; it keeps its aspect ratio, and the new sides are truncated to
    /// integers. The rule of Fuyu (Hugging Face's <c>FuyuImageProcessor.resize</c>).
    /// </summary>
    ShrinkToBox,

    /// <summary>
    /// The image is scaled, up as well as down, to the largest number of whole patches that a budget allows. Its aspect ratio changes only by
    /// rounding down to whole patches. The rule of Gemma (Hugging Face's <c>get_aspect_ratio_preserving_size</c>).
    /// </summary>
    FillArea,

    /// <summary>The image is used as it is. It is refused unless it consists of whole patches, no more than a budget allows.</summary>
    Keep,

    /// <summary>
    /// Each side is rounded to whole patches, and the image is scaled so that its number of pixels lies between two limits. An image whose longer
    /// side is more than 200 times the shorter is refused. The rule of Qwen's vision models and of NEO (<c>smart_resize</c>).
    /// </summary>
    SmartResize,

    /// <summary>
    /// As <see cref="SmartResize"/>, except that a side of less than half a patch first counts as zero: such an image is enlarged as one with too few
    /// pixels. The rule of Qwen3.5 (<c>smart_resize</c> of transformers).
    /// </summary>
    SmartResizeWithoutFloor,
}
