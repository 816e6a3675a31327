using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>Where <see cref="Metaspace"/> inserts its mark before a piece without one.</summary>
internal enum PrependScheme
{
    /// <summary>Before every piece.</summary>
    Always,

    /// <summary>Before the piece at the beginning of the text.</summary>
    First,

    /// <summary>Nowhere.</summary>
    Never,
}

/// <summary>Replaces every blank by a visible mark, as SentencePiece does.</summary>
/// <param name="replacement">The mark, usually <c>▁</c>.</param>
/// <param name="scheme">Where a mark is inserted.</param>
internal sealed class Metaspace(string replacement, PrependScheme scheme) : IPreTokenizer
{
    public void Apply(Pieces pieces)
    {
        AlignedText text = pieces.Text;
        AlignedTextBuilder builder = new(text, text.Text.Length + pieces.Ranges.Count);
        List<Piece> ranges = new(pieces.Ranges.Count);
        foreach (Piece piece in pieces.Ranges)
        {
            int start = builder.Length;
            ReadOnlySpan<char> content = text.Text.AsSpan(piece.Start, piece.End - piece.Start);
            bool prepends = scheme == PrependScheme.Always || (scheme == PrependScheme.First && pieces.IsStart && piece.Start == 0);
            if (prepends && content[0] != ' ' && !content.StartsWith(replacement))
                builder.Write(replacement, piece.Start, piece.Start);
            for (int i = 0; i < content.Length;)
            {
                int blank = content[i..].IndexOf(' ');
                int end = blank < 0 ? content.Length : i + blank;
                builder.Copy(piece.Start + i, piece.Start + end);
                if (blank >= 0)
                    builder.Write(replacement, piece.Start + end, piece.Start + end + 1);
                i = end + 1;
            }
            ranges.Add(new Piece(start, builder.Length));
        }
        pieces.Rewrite(builder.ToText(), ranges);
    }
}
