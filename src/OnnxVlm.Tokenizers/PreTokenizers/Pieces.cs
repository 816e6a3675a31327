using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>A text and the pieces that it is split into. Steps split it further, or rewrite the text.</summary>
internal sealed class Pieces
{
    public Pieces(AlignedText text, bool isStart)
    {
        Text = text;
        IsStart = isStart;
        Ranges = [new Piece(0, text.Text.Length)];
    }

    public AlignedText Text { get; private set; }

    /// <summary>Whether the caller's text begins here.</summary>
    public bool IsStart { get; }

    /// <summary>The pieces in order; none is empty.</summary>
    public List<Piece> Ranges { get; private set; }

    /// <summary>Replaces the pieces.</summary>
    public void Cut(List<Piece> ranges) => Ranges = ranges;

    /// <summary>Replaces text and pieces.</summary>
    public void Rewrite(AlignedText text, List<Piece> ranges)
    {
        Text = text;
        Ranges = ranges;
    }
}
