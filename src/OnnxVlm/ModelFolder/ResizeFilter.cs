using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>A resampling filter, as defined by Pillow; its support grows with the scale when an image is made smaller.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<ResizeFilter>))]
public enum ResizeFilter
{
    /// <summary>Triangle of support 1 (Pillow's <c>BILINEAR</c>, 2).</summary>
    Bilinear,

    /// <summary>Cubic convolution with a = −0.5, support 2 (Pillow's <c>BICUBIC</c>, 3).</summary>
    Bicubic,
}
