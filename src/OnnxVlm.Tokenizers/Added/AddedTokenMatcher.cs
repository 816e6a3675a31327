using System.Buffers;
using System.Globalization;
using System.Text;
using OnnxVlm.Tokenizers.Alignment;
using OnnxVlm.Tokenizers.PreTokenizers;

namespace OnnxVlm.Tokenizers.Added;

/// <summary>
/// Finds added tokens in a text: the leftmost one, and the longest of those that start there, as in Hugging Face's library
/// (<c>tokenizer/added_vocabulary.rs</c>). Takes time linear in the text.
/// </summary>
internal sealed class AddedTokenMatcher
{
    private readonly AddedToken[] _tokens;
    private readonly CharTrie _trie = new();
    private readonly SearchValues<char> _firstCharacters;

    /// <summary>Creates a matcher.</summary>
    /// <param name="tokens">The tokens with the text to search for. If texts are equal, the first token counts.</param>
    public AddedTokenMatcher(IReadOnlyList<(AddedToken Token, string Text)> tokens)
    {
        _tokens = [.. tokens.Select(token => token.Token)];
        for (int i = 0; i < tokens.Count; i++)
            _trie.Add(tokens[i].Text, i, replace: false);
        _firstCharacters = SearchValues.Create([.. tokens.Select(token => token.Text[0]).Distinct()]);
    }

    /// <summary>Whether there is a token that untrusted text must not become.</summary>
    public bool HasSpecial => Array.Exists(_tokens, token => token.IsSpecial);

    /// <summary>Splits a text into added tokens and the text between them.</summary>
    /// <param name="text">The text.</param>
    /// <param name="trust">The characters that are from the template; only these can become special tokens.</param>
    /// <returns>The pieces in order; the id is -1 for ordinary text. The empty text has no pieces.</returns>
    public List<(int Start, int End, int Id)> Split(ReadOnlySpan<char> text, Trust trust)
    {
        List<(int, int, int)> pieces = [];
        int done = 0, next = 0;
        while (next < text.Length)
        {
            int distance = text[next..].IndexOfAny(_firstCharacters);
            if (distance < 0)
                break;
            next += distance;
            if (Match(text, next, trust, out int end) is not { } token)
            {
                next++;
                continue;
            }
            int start = next;
            next = end;
            if (token.IsSingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[end..])))
                continue;
            if (token.StripsLeft)
                start = Math.Max(done, start - Blanks(text[..start], fromEnd: true));
            if (token.StripsRight)
                end += Blanks(text[end..], fromEnd: false);
            if (start > done)
                pieces.Add((done, start, -1));
            // A token may begin within the blanks that the previous token stripped: both count.
            pieces.Add((start, end, token.Id));
            done = end;
        }
        if (done < text.Length)
            pieces.Add((done, text.Length, -1));
        return pieces;
    }

    private AddedToken? Match(ReadOnlySpan<char> text, int start, Trust trust, out int end)
    {
        AddedToken? found = null;
        end = start;
        bool isTemplate = true;
        int node = CharTrie.Root;
        for (int i = start; i < text.Length && (node = _trie.Next(node, text[i])) >= 0; i++)
        {
            isTemplate &= trust[i];
            int number = _trie.NumberAt(node);
            if (number >= 0 && (isTemplate || !_tokens[number].IsSpecial))
                (found, end) = (_tokens[number], i + 1);
        }
        return found;
    }

    private static int Blanks(ReadOnlySpan<char> text, bool fromEnd)
    {
        int count = 0;
        while (count < text.Length && char.IsWhiteSpace(text[fromEnd ? text.Length - 1 - count : count]))
            count++;
        return count;
    }

    private static bool StartsWithWord(ReadOnlySpan<char> text) => Rune.DecodeFromUtf16(text, out Rune first, out _) == OperationStatus.Done && IsWord(first);

    private static bool EndsWithWord(ReadOnlySpan<char> text) => Rune.DecodeLastFromUtf16(text, out Rune last, out _) == OperationStatus.Done && IsWord(last);

    // \w of Unicode's regular expressions (UTS 18, annex C): alphabetic characters, marks, decimal digits, connectors and joiners.
    internal static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        <= UnicodeCategory.LetterNumber => true,
        UnicodeCategory.ConnectorPunctuation => true,
        _ => rune.Value is 0x200C or 0x200D || BmpStandIn.IsAlphabeticSymbol(rune.Value),
    };
}
