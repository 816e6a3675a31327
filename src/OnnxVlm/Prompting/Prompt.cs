namespace OnnxVlm.Prompting;

/// <summary>What the model reads before it answers: token ids, with the patches of the images among them. Immutable.</summary>
public sealed class Prompt
{
    /// <summary>Creates a prompt from its segments.</summary>
    /// <param name="segments">Text and images in the order the model reads them.</param>
    /// <param name="preprocessingTime">How long decoding, resizing and patching the images took.</param>
    /// <exception cref="ArgumentException">There are no tokens.</exception>
    public Prompt(IReadOnlyList<PromptSegment> segments, TimeSpan preprocessingTime = default)
    {
        ArgumentNullException.ThrowIfNull(segments);
        Segments = segments;
        TokenCount = segments.Sum(segment => segment.TokenIds.Length);
        ImageTokenCount = segments.Where(segment => segment.Image is not null).Sum(segment => segment.TokenIds.Length);
        PreprocessingTime = preprocessingTime;
        if (TokenCount == 0)
            throw new ArgumentException("The prompt is empty; give the model some text or an image.", nameof(segments));
    }

    /// <summary>Text and images in the order the model reads them.</summary>
    public IReadOnlyList<PromptSegment> Segments { get; }

    /// <summary>
    /// What the chat template wrote, special tokens spelled out and an image as the template writes it; null for a prompt that no template wrote.
    /// </summary>
    public string? Text { get; init; }

    /// <summary>Number of tokens, those of images included.</summary>
    public int TokenCount { get; }

    /// <summary>Number of tokens that belong to images: placeholders, row ends, begin and end tokens.</summary>
    public int ImageTokenCount { get; }

    /// <summary>Number of images.</summary>
    public int ImageCount => Segments.Count(segment => segment.Image is not null);

    /// <summary>Number of images with transparent pixels whose transparency was dropped, by the rule of the model.</summary>
    public int TransparentImageCount => Segments.Count(segment => segment.Image is { DropsTransparency: true });

    /// <summary>
    /// Number of images whose sides were more than three times as long before they were shrunk to what the model takes, so that small print in them is lost.
    /// </summary>
    public int ShrunkImageCount => Segments.Count(segment => segment.Image is { Reduction: > 3 });

    /// <summary>How long decoding, resizing and patching the images took.</summary>
    public TimeSpan PreprocessingTime { get; }

    /// <summary>All token ids in one array.</summary>
    /// <returns>A new array of <see cref="TokenCount"/> ids.</returns>
    public int[] ToTokenIds()
    {
        int[] ids = new int[TokenCount];
        int position = 0;
        foreach (PromptSegment segment in Segments)
        {
            segment.TokenIds.CopyTo(ids.AsMemory(position));
            position += segment.TokenIds.Length;
        }
        return ids;
    }
}
