using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>
/// Token ids that represent an image in the prompt: <c>image.tokens</c> of <c>onnxvlm.json</c>. An image is <see cref="Begin"/>, then for each row of
/// patches a <see cref="Placeholder"/> per patch and <see cref="RowEnd"/>, then <see cref="End"/>.
/// </summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ImageTokens
{
    /// <summary>The token whose embedding a patch replaces.</summary>
    /// <exception cref="ArgumentException">The id is negative.</exception>
    public required int Placeholder { get; init => field = ManifestCheck.Range(value, 0, int.MaxValue, "image.tokens.placeholder"); }

    /// <summary>The token after each row of patches; null for none.</summary>
    /// <exception cref="ArgumentException">The id is negative.</exception>
    public int? RowEnd { get; init => field = ManifestCheck.Range(value, 0, int.MaxValue, "image.tokens.row_end"); }

    /// <summary>The token before the image; null for none.</summary>
    /// <exception cref="ArgumentException">The id is negative.</exception>
    public int? Begin { get; init => field = ManifestCheck.Range(value, 0, int.MaxValue, "image.tokens.begin"); }

    /// <summary>The token after the image; null for none.</summary>
    /// <exception cref="ArgumentException">The id is negative.</exception>
    public int? End { get; init => field = ManifestCheck.Range(value, 0, int.MaxValue, "image.tokens.end"); }

    /// <summary>Text between an image and what follows it in a message, as in the model's training; null for none. At most 16 characters.</summary>
    /// <exception cref="ArgumentException">The text is empty or too long.</exception>
    public string? TextAfter
    {
        get;
        init => field = value is null or { Length: >= 1 and <= 16 }
            ? value
            : throw new ArgumentException($"image.tokens.text_after: expected 1 to 16 characters, found {value.Length}; export the model again");
    }
}
