namespace OnnxVlm.Tokenizers.Alignment;

/// <summary>A text on its way through the pipeline, with the range of the caller's text that each of its characters comes from.</summary>
/// <param name="text">The text, without halves of surrogate pairs.</param>
/// <param name="origins">A range for each character; null where origins are not tracked.</param>
internal sealed class AlignedText(string text, Origin[]? origins)
{
    public string Text => text;

    public Origin[]? Origins => origins;

    /// <summary>A part of the caller's text, unchanged.</summary>
    /// <param name="text">The part.</param>
    /// <param name="start">Its start in the caller's text.</param>
    /// <param name="tracked">Whether origins are tracked.</param>
    public static AlignedText Of(ReadOnlySpan<char> text, int start, bool tracked)
    {
        Origin[]? origins = tracked ? new Origin[text.Length] : null;
        for (int i = 0; tracked && i < text.Length; i++)
        {
            // Both halves of a pair have the range of the whole character.
            bool isPair = char.IsHighSurrogate(text[i]);
            origins![i] = new Origin(start + i, start + i + (isPair ? 2 : 1));
            if (isPair)
                origins[++i] = origins[i - 1];
        }
        return new AlignedText(text.ToString(), origins);
    }

    public AlignedText Slice(int start, int end) =>
        start == 0 && end == text.Length ? this : new AlignedText(text[start..end], origins?[start..end]);

    /// <summary>The range of the caller's text that a range comes from; empty where origins are not tracked.</summary>
    public Origin OriginOf(int start, int end) => origins is null ? default : new Origin(origins[start].Start, origins[end - 1].End);
}

/// <summary>A range of the caller's text; an empty one for a character that a normalizer inserted.</summary>
internal readonly record struct Origin(int Start, int End);
