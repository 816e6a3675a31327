using System.Buffers;

namespace OnnxVlm.Tokenizers;

/// <summary>
/// Finds the added tokens in a text before anything else happens to it: the leftmost one, and of those that start there the longest.
/// The package's own search would take the first one in the order of the file instead.
/// </summary>
internal sealed class AddedTokens(IReadOnlyDictionary<string, int> tokens)
{
    private readonly string[] _longestFirst = [.. tokens.Keys.OrderByDescending(text => text.Length)];
    private readonly SearchValues<char> _firsts = SearchValues.Create([.. tokens.Keys.Select(text => text[0]).Distinct()]);

    /// <summary>Cuts a text into added tokens, with their ids, and what is between them.</summary>
    public IEnumerable<(Range Range, int? Id)> Split(string text)
    {
        int start = 0, at = 0;
        while (text.AsSpan(at).IndexOfAny(_firsts) is int distance and >= 0)
        {
            int found = at + distance;
            at = found + 1;
            if (_longestFirst.FirstOrDefault(candidate => text.AsSpan(found).StartsWith(candidate, StringComparison.Ordinal)) is not { } token)
                continue;
            if (found > start)
                yield return (start..found, null);
            start = at = found + token.Length;
            yield return (found..start, tokens[token]);
        }
        if (start < text.Length)
            yield return (start..text.Length, null);
    }
}
