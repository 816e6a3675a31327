using System.Text;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>Each character that has a property.</summary>
internal sealed class RunePattern(Func<Rune, bool> property) : IPattern
{
    public void FindMatches(ReadOnlySpan<char> text, List<Piece> matches)
    {
        for (int i = 0; i < text.Length;)
        {
            Rune.DecodeFromUtf16(text[i..], out Rune rune, out int length);
            if (property(rune))
                matches.Add(new Piece(i, i + length));
            i += length;
        }
    }
}
