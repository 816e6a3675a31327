using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>How the right and the bottom of an image are padded to whole patches: <c>image.padding</c> of <c>onnxvlm.json</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record PaddingRule
{
    /// <summary>What the padding consists of.</summary>
    public required PaddingMode Mode { get; init; }

    /// <summary><see cref="PaddingMode.Constant"/>: the value of all three channels before normalization, 0 to 255; required.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public int? Value { get; init => field = ManifestCheck.Range(value, 0, 255, "image.padding.value"); }

    /// <summary>Checks that there is a value exactly when the mode needs one.</summary>
    /// <exception cref="ArgumentException">The value is missing, or the mode does not use it.</exception>
    public void Validate()
    {
        if (Mode == PaddingMode.Constant && Value is null)
            throw new ArgumentException("image.padding.value: the mode \"constant\" needs it, and it is missing; add it or export the model again");
        if (Mode == PaddingMode.Edge && Value is not null)
            throw new ArgumentException($"image.padding.value: the mode \"edge\" does not use it, found {Value}; remove it or export the model again");
    }
}
