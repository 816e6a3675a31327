namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>What happens to the text that a pattern matches.</summary>
internal enum SplitBehavior
{
    /// <summary>It becomes a piece of its own.</summary>
    Isolated,

    /// <summary>It is dropped.</summary>
    Removed,

    /// <summary>Adjacent matches become one piece.</summary>
    Contiguous,

    /// <summary>It ends the piece before it.</summary>
    MergedWithPrevious,

    /// <summary>It begins the piece after it.</summary>
    MergedWithNext,
}

/// <summary>Splits at the matches of a pattern, as Hugging Face's <c>NormalizedString::split</c> does.</summary>
/// <param name="pattern">The pattern.</param>
/// <param name="behavior">What happens to the matches.</param>
/// <param name="inverted">Whether the text between the pattern's matches counts as the match.</param>
internal sealed class Split(IPattern pattern, SplitBehavior behavior, bool inverted) : IPreTokenizer
{
    /// <summary>Whether a part of the text is dropped.</summary>
    public bool Drops => behavior == SplitBehavior.Removed;

    public void Apply(Pieces pieces)
    {
        List<Piece> result = new(pieces.Ranges.Count), matches = [];
        List<Part> parts = [];
        foreach (Piece piece in pieces.Ranges)
        {
            matches.Clear();
            parts.Clear();
            ReadOnlySpan<char> text = pieces.Text.Text.AsSpan(piece.Start, piece.End - piece.Start);
            pattern.FindMatches(text, matches);
            int done = 0;
            foreach (Piece match in matches)
            {
                if (match.Start > done)
                    parts.Add(new Part(done, match.Start, inverted));
                parts.Add(new Part(match.Start, match.End, !inverted));
                done = match.End;
            }
            if (done < text.Length)
                parts.Add(new Part(done, text.Length, inverted));
            Join(parts, piece.Start, result);
        }
        pieces.Cut(result);
    }

    private void Join(List<Part> parts, int offset, List<Piece> result)
    {
        switch (behavior)
        {
            case SplitBehavior.Isolated:
                foreach (Part part in parts)
                    Add(part.Start, part.End);
                break;
            case SplitBehavior.Removed:
                foreach (Part part in parts)
                {
                    if (!part.IsMatch)
                        Add(part.Start, part.End);
                }
                break;
            case SplitBehavior.MergedWithNext:
                int first = result.Count;
                JoinBackwards(parts, Add);
                result.Reverse(first, result.Count - first);
                break;
            default:
                JoinForwards(parts, Add);
                break;
        }

        void Add(int start, int end)
        {
            if (end > start)
                result.Add(new Piece(offset + start, offset + end));
        }
    }

    private void JoinForwards(List<Part> parts, Action<int, int> add)
    {
        (int Start, int End)? open = null;
        bool previous = false;
        foreach (Part part in parts)
        {
            bool joins = behavior == SplitBehavior.Contiguous ? part.IsMatch == previous : part.IsMatch && !previous;
            if (joins && open is { } piece)
                open = (piece.Start, part.End);
            else
            {
                if (open is { } finished)
                    add(finished.Start, finished.End);
                open = (part.Start, part.End);
            }
            previous = part.IsMatch;
        }
        if (open is { } last)
            add(last.Start, last.End);
    }

    private static void JoinBackwards(List<Part> parts, Action<int, int> add)
    {
        (int Start, int End)? open = null;
        bool previous = false;
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            Part part = parts[i];
            if (part.IsMatch && !previous && open is { } piece)
                open = (part.Start, piece.End);
            else
            {
                if (open is { } finished)
                    add(finished.Start, finished.End);
                open = (part.Start, part.End);
            }
            previous = part.IsMatch;
        }
        if (open is { } last)
            add(last.Start, last.End);
    }

    private readonly record struct Part(int Start, int End, bool IsMatch);
}
