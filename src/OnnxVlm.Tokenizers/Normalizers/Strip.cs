using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.Normalizers;

/// <summary>Drops blanks at the ends.</summary>
internal sealed class Strip(bool left, bool right) : INormalizer
{
    public int? MostCharactersToOne => null;

    public AlignedText Normalize(AlignedText text)
    {
        (int start, int end) = (0, text.Text.Length);
        while (left && start < end && char.IsWhiteSpace(text.Text[start]))
            start++;
        while (right && end > start && char.IsWhiteSpace(text.Text[end - 1]))
            end--;
        return text.Slice(start, end);
    }
}
