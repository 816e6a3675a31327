using System.Text;
using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>Converts every byte of the text's UTF-8 to a character of <see cref="ByteAlphabet"/>.</summary>
internal sealed class ByteLevel : IPreTokenizer
{
    public void Apply(Pieces pieces)
    {
        AlignedText text = pieces.Text;
        AlignedTextBuilder builder = new(text, text.Text.Length + (text.Text.Length / 4));
        List<Piece> ranges = new(pieces.Ranges.Count);
        Span<byte> bytes = stackalloc byte[4];
        Span<char> characters = stackalloc char[4];
        foreach (Piece piece in pieces.Ranges)
        {
            int start = builder.Length;
            for (int i = piece.Start; i < piece.End;)
            {
                // Printable ASCII is not changed.
                int same = i;
                while (same < piece.End && text.Text[same] is > ' ' and < (char)0x7F)
                    same++;
                if (same > i)
                {
                    builder.Copy(i, same);
                    i = same;
                    continue;
                }
                Rune.DecodeFromUtf16(text.Text.AsSpan(i), out Rune rune, out int length);
                int count = rune.EncodeToUtf8(bytes);
                for (int k = 0; k < count; k++)
                    characters[k] = ByteAlphabet.ToChar(bytes[k]);
                builder.Write(characters[..count], i, i + length);
                i += length;
            }
            ranges.Add(new Piece(start, builder.Length));
        }
        pieces.Rewrite(builder.ToText(), ranges);
    }
}
