using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>Order of the bytes within a patch, the slowest index first.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<PatchLayout>))]
public enum PatchLayout
{
    /// <summary>uint8 <c>[row, column, channel]</c>: interleaved RGB, as in the image.</summary>
    RowColumnChannel,

    /// <summary>uint8 <c>[channel, row, column]</c>: a red, a green and a blue plane.</summary>
    ChannelRowColumn,
}
