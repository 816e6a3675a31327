using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>The checkpoint a model folder was made from: <c>source</c> of <c>onnxvlm.json</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ModelSource
{
    /// <summary>Repository or folder name of the checkpoint, for example <c>adept/fuyu-8b</c>; never a path of the exporting machine.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// The Hugging Face commit (40 hexadecimal digits) where it is known; otherwise <c>sha256:</c> and the hash of the checkpoint's weights.
    /// </summary>
    public required string Revision { get; init; }

    /// <summary>
    /// Why the weights were not compared with the hash of the checkpoint. <c>resumed</c>: the download was interrupted, so that no run has read a
    /// file whole. <c>no hash known</c>: there was none to compare with. Null where they were compared, or where no hash was promised.
    /// </summary>
    public string? Unverified { get; init; }
}
