using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.Normalizers;

/// <summary>Inserts a text at the beginning of every text that is not empty.</summary>
internal sealed class Prepend(string prefix) : INormalizer
{
    public int? MostCharactersToOne => 1;

    public AlignedText Normalize(AlignedText text)
    {
        if (text.Text.Length == 0)
            return text;
        AlignedTextBuilder builder = new(text, text.Text.Length + prefix.Length);
        builder.Write(prefix, 0, 0);
        builder.Copy(0, text.Text.Length);
        return builder.ToText();
    }
}
