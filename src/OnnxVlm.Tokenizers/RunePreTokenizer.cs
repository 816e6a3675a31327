using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace OnnxVlm.Tokenizers;

/// <summary>
/// Splits a text by a pattern that sees whole characters. To .NET's expressions a character outside the Basic Multilingual Plane is two surrogates,
/// neither of them a letter or a digit; so the pattern is matched against a copy in which such a character is one of the same Unicode category
/// from inside the plane, and the places are counted back.
/// </summary>
internal sealed class RunePreTokenizer(Regex pattern) : PreTokenizer
{
    /// <inheritdoc />
    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text) => Split(text);

    /// <inheritdoc />
    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text) => Split(text.ToString());

    // Text that the pattern leaves out is a piece of its own ("Isolated").
    private List<(int Offset, int Length)> Split(string text)
    {
        List<(int, int)> pieces = [];
        (string copy, int[]? origins) = ToPlane(text);
        int next = 0;
        foreach (ValueMatch match in pattern.EnumerateMatches(copy))
        {
            Add(next, match.Index);
            Add(match.Index, match.Index + match.Length);
            next = match.Index + match.Length;
        }
        Add(next, copy.Length);
        return pieces;

        void Add(int start, int end)
        {
            if (end > start)
                pieces.Add(origins is null ? (start, end - start) : (origins[start], origins[end] - origins[start]));
        }
    }

    // The copy, and where each of its characters, and its end, stands in the text; null where text and copy are the same.
    private static (string Copy, int[]? Origins) ToPlane(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
            return (text, null);
        StringBuilder copy = new(text.Length);
        List<int> origins = new(text.Length + 1);
        for (int i = 0; i < text.Length;)
        {
            origins.Add(i);
            if (Rune.TryGetRuneAt(text, i, out Rune rune) && !rune.IsBmp)
            {
                copy.Append(Stand(rune));
                i += 2;
            }
            else
            {
                // Half a surrogate pair is encoded as U+FFFD.
                copy.Append(char.IsSurrogate(text[i]) ? '\uFFFD' : text[i]);
                i++;
            }
        }
        origins.Add(text.Length);
        return (copy.ToString(), [.. origins]);
    }

    // One character of the plane for each category that exists outside it, none of which a pattern is likely to name.
    internal static char Stand(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter => '\u10A0',
        UnicodeCategory.LowercaseLetter => '\u2C30',
        UnicodeCategory.TitlecaseLetter => '\u1F88',
        UnicodeCategory.ModifierLetter => '\uA788',
        UnicodeCategory.OtherLetter => '\uA000',
        UnicodeCategory.NonSpacingMark => '\uA802',
        UnicodeCategory.SpacingCombiningMark => '\uA823',
        UnicodeCategory.EnclosingMark => '\u20E0',
        UnicodeCategory.DecimalDigitNumber => '\uA8D0',
        UnicodeCategory.LetterNumber => '\u3021',
        UnicodeCategory.OtherNumber => '\u3220',
        UnicodeCategory.ConnectorPunctuation => '\u203F',
        UnicodeCategory.DashPunctuation => '\u2E3A',
        UnicodeCategory.OpenPunctuation => '\u2E22',
        UnicodeCategory.ClosePunctuation => '\u2E23',
        UnicodeCategory.InitialQuotePunctuation => '\u2E0C',
        UnicodeCategory.FinalQuotePunctuation => '\u2E0D',
        UnicodeCategory.OtherPunctuation => '\uA874',
        UnicodeCategory.MathSymbol => '\u2A00',
        UnicodeCategory.CurrencySymbol => '\u20B5',
        UnicodeCategory.ModifierSymbol => '\uA700',
        UnicodeCategory.OtherSymbol => '\u4DC0',
        UnicodeCategory.Format => '\u2061',
        UnicodeCategory.PrivateUse => '\uE000',
        _ => '\uFDD0', // not assigned
    };
}
