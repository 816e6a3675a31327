using System.Globalization;
using System.Text;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>
/// Python's upper, lower and title case, which follow Unicode's full mappings: one character may become several. .NET's invariant mappings are the
/// simple ones; the tables hold the others (the language-independent mappings of Unicode's SpecialCasing.txt).
/// </summary>
internal static class PythonCase
{
    // Each entry is a character, then its mapping, up to the blank.
    private const string UpperTable =
        "ßSS ıI ſS ŉʼN ǰJ\u030C ΐΙ\u0308\u0301 ΰΥ\u0308\u0301 ևԵՒ ẖH\u0331 ẗT\u0308 ẘW\u030A ẙY\u030A ẚAʾ ὐΥ\u0313 "
        + "ὒΥ\u0313\u0300 ὔΥ\u0313\u0301 ὖΥ\u0313\u0342 ᾀἈΙ ᾁἉΙ ᾂἊΙ ᾃἋΙ ᾄἌΙ ᾅἍΙ ᾆἎΙ ᾇἏΙ ᾈἈΙ ᾉἉΙ "
        + "ᾊἊΙ ᾋἋΙ ᾌἌΙ ᾍἍΙ ᾎἎΙ ᾏἏΙ ᾐἨΙ ᾑἩΙ ᾒἪΙ ᾓἫΙ ᾔἬΙ ᾕἭΙ ᾖἮΙ ᾗἯΙ ᾘἨΙ ᾙἩΙ "
        + "ᾚἪΙ ᾛἫΙ ᾜἬΙ ᾝἭΙ ᾞἮΙ ᾟἯΙ ᾠὨΙ ᾡὩΙ ᾢὪΙ ᾣὫΙ ᾤὬΙ ᾥὭΙ ᾦὮΙ ᾧὯΙ ᾨὨΙ ᾩὩΙ "
        + "ᾪὪΙ ᾫὫΙ ᾬὬΙ ᾭὭΙ ᾮὮΙ ᾯὯΙ ᾲᾺΙ ᾳΑΙ ᾴΆΙ ᾶΑ\u0342 ᾷΑ\u0342Ι ᾼΑΙ ῂῊΙ ῃΗΙ ῄΉΙ "
        + "ῆΗ\u0342 ῇΗ\u0342Ι ῌΗΙ ῒΙ\u0308\u0300 ΐΙ\u0308\u0301 ῖΙ\u0342 ῗΙ\u0308\u0342 ῢΥ\u0308\u0300 ΰΥ\u0308\u0301 "
        + "ῤΡ\u0313 ῦΥ\u0342 ῧΥ\u0308\u0342 ῲῺΙ ῳΩΙ ῴΏΙ ῶΩ\u0342 ῷΩ\u0342Ι ῼΩΙ ﬀFF ﬁFI ﬂFL ﬃFFI ﬄFFL ﬅST ﬆST "
        + "ﬓՄՆ ﬔՄԵ ﬕՄԻ ﬖՎՆ ﬗՄԽ ";

    private const string TitleTable =
        "ßSs Ǆǅ ǅǅ ǆǅ Ǉǈ ǈǈ ǉǈ Ǌǋ ǋǋ ǌǋ Ǳǲ ǲǲ ǳǲ ևԵւ ᾀᾈ ᾁᾉ ᾂᾊ ᾃᾋ ᾄᾌ ᾅᾍ ᾆᾎ ᾇᾏ ᾈᾈ ᾉᾉ "
        + "ᾊᾊ ᾋᾋ ᾌᾌ ᾍᾍ ᾎᾎ ᾏᾏ ᾐᾘ ᾑᾙ ᾒᾚ ᾓᾛ ᾔᾜ ᾕᾝ ᾖᾞ ᾗᾟ ᾘᾘ ᾙᾙ ᾚᾚ ᾛᾛ ᾜᾜ ᾝᾝ "
        + "ᾞᾞ ᾟᾟ ᾠᾨ ᾡᾩ ᾢᾪ ᾣᾫ ᾤᾬ ᾥᾭ ᾦᾮ ᾧᾯ ᾨᾨ ᾩᾩ ᾪᾪ ᾫᾫ ᾬᾬ ᾭᾭ ᾮᾮ ᾯᾯ ᾲᾺ\u0345 "
        + "ᾳᾼ ᾴΆ\u0345 ᾷΑ\u0342\u0345 ᾼᾼ ῂῊ\u0345 ῃῌ ῄΉ\u0345 ῇΗ\u0342\u0345 ῌῌ ῲῺ\u0345 ῳῼ ῴΏ\u0345 "
        + "ῷΩ\u0342\u0345 ῼῼ ﬀFf ﬁFi ﬂFl ﬃFfi ﬄFfl ﬅSt ﬆSt ﬓՄն ﬔՄե ﬕՄի ﬖՎն ﬗՄխ ";

    // Unicode's Other_Lowercase and Other_Uppercase: characters that have a case but are not cased letters.
    private static readonly (int First, int Last)[] OtherLower =
    [
        (0xAA, 0xAA), (0xBA, 0xBA), (0x2B0, 0x2B8), (0x2C0, 0x2C1), (0x2E0, 0x2E4), (0x345, 0x345), (0x37A, 0x37A), (0x1D2C, 0x1D6A), (0x1D78, 0x1D78),
        (0x1D9B, 0x1DBF), (0x2071, 0x2071),
        (0x207F, 0x207F), (0x2090, 0x209C), (0x2170, 0x217F), (0x24D0, 0x24E9), (0x2C7C, 0x2C7D), (0xA69C, 0xA69D), (0xA770, 0xA770), (0xA7F8, 0xA7F9),
        (0xAB5C, 0xAB5F), (0x10780, 0x10780),
        (0x10783, 0x10785), (0x10787, 0x107B0), (0x107B2, 0x107BA),
    ];

    private static readonly (int First, int Last)[] OtherUpper =
        [(0x2160, 0x216F), (0x24B6, 0x24CF), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189)];

    private static readonly Dictionary<int, string> UpperOf = Read(UpperTable), TitleOf = Read(TitleTable);

    public static TemplateText Upper(TemplateText text, TemplateBudget budget) => Map(text, (_, rune) => ToUpper(rune), budget);

    public static TemplateText Lower(TemplateText text, TemplateBudget budget) => Map(text, (unit, rune) => ToLower(text.Value, unit, rune), budget);

    /// <summary>str.capitalize(): the first in title case, the others in lower case.</summary>
    public static TemplateText Capitalize(TemplateText text, TemplateBudget budget) =>
        Map(text, (unit, rune) => unit == 0 ? ToTitle(rune) : ToLower(text.Value, unit, rune), budget);

    /// <summary>str.title(): letters that do not follow a letter become title case.</summary>
    public static TemplateText Title(TemplateText text, TemplateBudget budget)
    {
        bool afterLetter = false;
        return Map(
            text,
            (unit, rune) =>
            {
                string mapped = afterLetter ? ToLower(text.Value, unit, rune) : ToTitle(rune);
                afterLetter = IsCased(rune);
                return mapped;
            },
            budget);
    }

    public static TemplateText SwapCase(TemplateText text, TemplateBudget budget) =>
        Map(text, (unit, rune) => IsUpper(rune) ? ToLower(text.Value, unit, rune) : IsLower(rune) ? ToUpper(rune) : rune.ToString(), budget);

    /// <summary>str.casefold(), for case-insensitive comparison.</summary>
    public static TemplateText Fold(TemplateText text, TemplateBudget budget) =>
        Map(text, (_, rune) => rune.Value is 0x130 or 0x131
            ? (rune.Value == 0x130 ? "i\u0307" : "ı")
            : string.Concat(ToUpper(rune).EnumerateRunes().Select(upper => Rune.ToLowerInvariant(upper).ToString())), budget);

    public static bool IsUpper(Rune rune) =>
        Rune.IsUpper(rune) || (rune.Value > 0x7F && Array.Exists(OtherUpper, range => rune.Value >= range.First && rune.Value <= range.Last));

    public static bool IsLower(Rune rune) =>
        Rune.IsLower(rune) || (rune.Value > 0x7F && Array.Exists(OtherLower, range => rune.Value >= range.First && rune.Value <= range.Last));

    /// <summary>Whether a character has a case.</summary>
    public static bool IsCased(Rune rune) => IsUpper(rune) || IsLower(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter;

    private static string ToUpper(Rune rune) => UpperOf.TryGetValue(rune.Value, out string? mapped) ? mapped : Rune.ToUpperInvariant(rune).ToString();

    // Title case does not change Georgian letters.
    private static string ToTitle(Rune rune) =>
        TitleOf.TryGetValue(rune.Value, out string? mapped) ? mapped : rune.Value is >= 0x10D0 and <= 0x10FF ? rune.ToString() : ToUpper(rune);

    private static string ToLower(string text, int unit, Rune rune) => rune.Value switch
    {
        0x130 => "i\u0307",
        // Sigma has another form at the end of a word.
        0x3A3 => EndsWord(text, unit) ? "ς" : "σ",
        _ => Rune.ToLowerInvariant(rune).ToString(),
    };

    private static bool EndsWord(string text, int unit)
    {
        int before = unit - 1, after = unit + 1;
        while (before >= 0 && IsCaseIgnorable(text[before]))
            before--;
        while (after < text.Length && IsCaseIgnorable(text[after]))
            after++;
        return before >= 0 && IsCased(text, before) && !(after < text.Length && IsCased(text, after));
    }

    private static bool IsCased(string text, int unit) =>
        (Rune.TryGetRuneAt(text, unit, out Rune rune) || (unit > 0 && Rune.TryGetRuneAt(text, unit - 1, out rune))) && IsCased(rune);

    private static bool IsCaseIgnorable(char c) =>
        c is '\'' or '.' or ':' or '·' or '’' or '\u2018' or '\u2024' or '\u2027' or '\uFE13' or '\uFE52' or '\uFE55' or '\uFF07' or '\uFF0E' or '\uFF1A'
        || char.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
            or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol;

    private static TemplateText Map(TemplateText text, Func<int, Rune, string> map, TemplateBudget budget)
    {
        TemplateTextBuilder mapped = new(budget);
        for (int unit = 0; unit < text.Value.Length;)
        {
            // Half a surrogate pair is not changed.
            if (Rune.TryGetRuneAt(text.Value, unit, out Rune rune))
                mapped.Append(map(unit, rune), text.IsFromTemplate(unit));
            else
                mapped.Append(text, unit, 1);
            unit += Math.Max(1, rune.Value == 0 ? 1 : rune.Utf16SequenceLength);
        }
        return mapped.ToText().AsMarkup(text.IsMarkup);
    }

    private static Dictionary<int, string> Read(string table) =>
        table.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToDictionary(entry => (int)entry[0], entry => entry[1..]);
}
