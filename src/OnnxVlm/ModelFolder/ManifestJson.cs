using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>
/// The source-generated JSON of <c>onnxvlm.json</c>. It needs no reflection, so that it works in trimmed programs and under NativeAOT. Generated code
/// sets an <c>init</c> property that is missing in the file to the default of its type, not to its initializer. A value with another default is
/// therefore nullable here, and read through a second property.
/// </summary>
[JsonSerializable(typeof(ModelManifest))]
internal sealed partial class ManifestJson : JsonSerializerContext
{
    /// <summary>Refuses unknown keys; writes indented JSON.</summary>
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
