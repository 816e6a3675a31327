namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>A pattern that matches a literal text.</summary>
/// <param name="text">Not empty.</param>
internal sealed class LiteralPattern(string text) : IPattern
{
    public string Text => text;

    public void FindMatches(ReadOnlySpan<char> within, List<Piece> matches)
    {
        for (int start = 0, distance; (distance = within[start..].IndexOf(text)) >= 0; start += distance + text.Length)
            matches.Add(new Piece(start + distance, start + distance + text.Length));
    }
}
