using System.Text.RegularExpressions;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>A regular expression that matches whole characters.</summary>
internal sealed class RegexPattern(Regex regex, BmpStandIn standIns) : IPattern
{
    public void FindMatches(ReadOnlySpan<char> text, List<Piece> matches)
    {
        (string copy, int[] places)? mapped = standIns.Map(text);
        int last = -1;
        foreach (ValueMatch match in regex.EnumerateMatches(mapped is null ? text : mapped.Value.copy))
        {
            (int start, int end) = (match.Index, match.Index + match.Length);

            // Oniguruma ignores an empty match at the end of the previous match.
            if (start == end && start == last)
                continue;
            last = end;
            matches.Add(mapped is { } map ? new Piece(map.places[start], map.places[end]) : new Piece(start, end));
        }
    }
}
