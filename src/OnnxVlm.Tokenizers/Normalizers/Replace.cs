using OnnxVlm.Tokenizers.Alignment;
using OnnxVlm.Tokenizers.PreTokenizers;

namespace OnnxVlm.Tokenizers.Normalizers;

/// <summary>Replaces every match of a pattern by one text.</summary>
internal sealed class Replace(IPattern pattern, string content) : INormalizer
{
    public int? MostCharactersToOne => pattern is LiteralPattern text && content.Length > 0 ? (text.Text.Length + content.Length - 1) / content.Length : null;

    public AlignedText Normalize(AlignedText text)
    {
        if (pattern is LiteralPattern { Text.Length: 1 } literal && content.Length == 1)
            return new AlignedText(text.Text.Replace(literal.Text[0], content[0]), text.Origins);
        List<Piece> matches = [];
        pattern.FindMatches(text.Text, matches);
        if (matches.Count == 0)
            return text;
        AlignedTextBuilder builder = new(text, text.Text.Length);
        int done = 0;
        foreach (Piece match in matches)
        {
            builder.Copy(done, match.Start);
            builder.Write(content, match.Start, match.End);
            done = match.End;
        }
        builder.Copy(done, text.Text.Length);
        return builder.ToText();
    }
}
