namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>Finds the matches at which a text is split. Safe to use from several threads at once.</summary>
internal interface IPattern
{
    /// <summary>Adds the matches in order; they do not overlap, and may be empty.</summary>
    void FindMatches(ReadOnlySpan<char> text, List<Piece> matches);
}
