using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>What fills the area beyond the image.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<PaddingMode>))]
public enum PaddingMode
{
    /// <summary>The last pixel of each row, and the last row.</summary>
    Edge,

    /// <summary>One value for all channels.</summary>
    Constant,
}
