using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>Inserts a blank before every piece that does not begin with one.</summary>
internal sealed class PrefixSpace : IPreTokenizer
{
    public void Apply(Pieces pieces)
    {
        AlignedText text = pieces.Text;
        AlignedTextBuilder builder = new(text, text.Text.Length + pieces.Ranges.Count);
        List<Piece> ranges = new(pieces.Ranges.Count);
        foreach (Piece piece in pieces.Ranges)
        {
            int start = builder.Length;
            if (text.Text[piece.Start] != ' ')
                builder.Write(' ', piece.Start, piece.Start);
            builder.Copy(piece.Start, piece.End);
            ranges.Add(new Piece(start, builder.Length));
        }
        pieces.Rewrite(builder.ToText(), ranges);
    }
}
