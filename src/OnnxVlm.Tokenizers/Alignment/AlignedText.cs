namespace OnnxVlm.Tokenizers.Alignment;

/// <summary>A text on its way through the pipeline, with the place in the caller's text that each of its characters comes from.</summary>
/// <param name="text">The text, without halves of surrogate pairs.</param>
/// <param name="origins">A place for each character; null where nobody asks for places.</param>
internal sealed class AlignedText(string text, Origin[]? origins)
{
    public string Text => text;

    public Origin[]? Origins => origins;

    /// <summary>A piece of the caller's text, as it is.</summary>
    /// <param name="text">The piece.</param>
    /// <param name="start">Where it begins in the caller's text.</param>
    /// <param name="tracked">Whether places are wanted.</param>
    public static AlignedText Of(ReadOnlySpan<char> text, int start, bool tracked)
    {
        Origin[]? origins = tracked ? new Origin[text.Length] : null;
        for (int i = 0; tracked && i < text.Length; i++)
        {
            // Both halves of a pair stand for the whole character.
            bool isPair = char.IsHighSurrogate(text[i]);
            origins![i] = new Origin(start + i, start + i + (isPair ? 2 : 1));
            if (isPair)
                origins[++i] = origins[i - 1];
        }
        return new AlignedText(text.ToString(), origins);
    }

    public AlignedText Slice(int start, int end) =>
        start == 0 && end == text.Length ? this : new AlignedText(text[start..end], origins?[start..end]);

    /// <summary>Where a range lies in the caller's text; nowhere where places are not kept.</summary>
    public Origin OriginOf(int start, int end) => origins is null ? default : new Origin(origins[start].Start, origins[end - 1].End);
}

/// <summary>A range of the caller's text; an empty one for a character that a normalizer put in.</summary>
internal readonly record struct Origin(int Start, int End);
