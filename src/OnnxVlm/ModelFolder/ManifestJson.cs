using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>
/// The JSON of <c>onnxvlm.json</c>, source-generated: it needs no reflection, so that it works in trimmed programs and under NativeAOT. Generated code gives an <c>init</c> property that the
/// file does not have the default of its type, and not what its initializer says: a value with another default is nullable here, and read through a second property.
/// </summary>
[JsonSerializable(typeof(ModelManifest))]
internal sealed partial class ManifestJson : JsonSerializerContext
{
    /// <summary>Refuses what it does not know; writes for people to read.</summary>
    public static ManifestJson Strict { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectNullableAnnotations = true,
        AllowDuplicateProperties = false,
        MaxDepth = 16,
        WriteIndented = true,
        NewLine = "\n",
    });
}
