using System.Globalization;
using System.Text;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>
/// In .NET's expressions, a character outside the Basic Multilingual Plane is two surrogates, neither of which is a letter or a digit. So a pattern is
/// matched against a copy in which each such character is replaced by one of the same category from inside the plane, which the pattern does not name.
/// </summary>
internal sealed class BmpStandIn
{
    private const int Categories = 30;

    private readonly char[] _standIns = new char[Categories];
    private char _alphabeticSymbol;

    /// <summary>Chooses a character for each category.</summary>
    /// <param name="isNamed">Whether the pattern names a character, alone or within a range.</param>
    /// <param name="seesWords">Whether the pattern distinguishes word characters from others.</param>
    /// <returns>Null where the pattern leaves no character in some category.</returns>
    public static BmpStandIn? TryCreate(Func<char, bool> isNamed, bool seesWords)
    {
        BmpStandIn result = new();
        int missing = Categories;
        for (int value = char.MaxValue; value > 0x7F && missing > 0; value--)
        {
            // The category "surrogate" needs none: a text contains no halves of pairs.
            int category = (int)CharUnicodeInfo.GetUnicodeCategory((char)value);
            if (result._standIns[category] != 0 || (category != (int)UnicodeCategory.Surrogate && (isNamed((char)value) || IsLikeAnother((char)value))))
                continue;
            result._standIns[category] = (char)value;
            missing--;
        }

        // Blanks and controls exist only inside the plane.
        foreach (UnicodeCategory category in Enum.GetValues<UnicodeCategory>())
        {
            bool isPlaneOnly = category is UnicodeCategory.SpaceSeparator
                or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Control;
            if (result._standIns[(int)category] == 0 && !isPlaneOnly)
                return null;
        }

        result._alphabeticSymbol = Enumerable.Range(0x24B6, 0x24E9 - 0x24B6 + 1).Select(value => (char)value).FirstOrDefault(value => !isNamed(value));
        if (result._alphabeticSymbol == 0)
            result._alphabeticSymbol = result._standIns[(int)UnicodeCategory.OtherSymbol];
        return seesWords && !IsAlphabeticSymbol(result._alphabeticSymbol) ? null : result;
    }

    /// <summary>The copy, and for each of its characters, and its end, the position in the text; null where text and copy are the same.</summary>
    public (string Copy, int[] Places)? Map(ReadOnlySpan<char> text)
    {
        if (text.IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
            return null;
        StringBuilder copy = new(text.Length);
        List<int> places = new(text.Length + 1);
        for (int i = 0; i < text.Length;)
        {
            places.Add(i);
            Rune.DecodeFromUtf16(text[i..], out Rune rune, out int length);
            copy.Append(rune.IsBmp ? (char)rune.Value : Of(rune));
            i += length;
        }
        places.Add(text.Length);
        return (copy.ToString(), [.. places]);
    }

    internal char Of(Rune rune) => IsAlphabeticSymbol(rune.Value) ? _alphabeticSymbol : _standIns[(int)Rune.GetUnicodeCategory(rune)];

    /// <summary>Circled and squared letters: symbols that are alphabetic, and so word characters (Unicode's Other_Alphabetic).</summary>
    internal static bool IsAlphabeticSymbol(int character) =>
        character is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189);

    // Some dialects count joiners as word characters.
    private static bool IsLikeAnother(char value) => value is '\u200C' or '\u200D' || IsAlphabeticSymbol(value);
}
