using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>What becomes of the transparency of an image.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<AlphaMode>))]
public enum AlphaMode
{
    /// <summary>
    /// An image with a channel for it is laid over white where at least one pixel, and not every one, is wholly transparent; else its colours stand as they are. The rule of NEO.
    /// </summary>
    WhiteIfTransparent,
}
