using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>How the transparency of an image is treated.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<AlphaMode>))]
public enum AlphaMode
{
    /// <summary>
    /// An image with an alpha channel is blended over white if some of its pixels, but not all, are fully transparent; otherwise its colours are used
    /// as stored. This is NEO's rule.
    /// </summary>
    WhiteIfTransparent,
}
