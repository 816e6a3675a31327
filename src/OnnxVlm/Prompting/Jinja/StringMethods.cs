using System.Globalization;
using System.Numerics;
using System.Text;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>The methods of Python's str. Each keeps the origins of the characters; positions are code points.</summary>
internal static partial class StringMethods
{
    private delegate object Method(TemplateText text, CallArguments arguments, TemplateRun run);

    private static readonly Dictionary<string, Method> Methods = new(StringComparer.Ordinal)
    {
        ["capitalize"] = (text, arguments, run) => { arguments.Bind("capitalize", 0); return PythonCase.Capitalize(text, run.Budget); },
        ["casefold"] = (text, arguments, run) => { arguments.Bind("casefold", 0); return PythonCase.Fold(text, run.Budget); },
        ["center"] = (text, arguments, run) => Pad(text, arguments.Bind("center", 1, "width", "fillchar"), Center, run),
        ["count"] = Count,
        ["endswith"] = (text, arguments, run) => HasAffix(text, arguments, "endswith", atEnd: true),
        ["expandtabs"] = (text, arguments, run) => ExpandTabs(text, arguments.Bind("expandtabs", 0, "tabsize")[0] ?? (BigInteger)8, run),
        ["find"] = (text, arguments, run) => (BigInteger)Find(text, arguments, "find", fromEnd: false),
        ["format"] = BraceFormat.Format,
        ["format_map"] = BraceFormat.FormatMap,
        ["index"] = (text, arguments, run) => RequireFound(Find(text, arguments, "index", fromEnd: false)),
        ["isalnum"] = (text, _, _) => AllRunes(text, IsAlphanumeric),
        ["isalpha"] = (text, _, _) => AllRunes(text, Rune.IsLetter),
        ["isascii"] = (text, _, _) => Ascii.IsValid(text.Value),
        ["isdecimal"] = (text, _, _) => AllRunes(text, rune => Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber),
        ["isdigit"] = (text, _, _) => AllRunes(text, IsDigit),
        ["isidentifier"] = (text, _, _) => Lexer.IsIdentifier(text.Value),
        ["islower"] = (text, _, _) => HasOneCase(text, PythonCase.IsLower),
        ["isnumeric"] = (text, _, _) => AllRunes(text, rune => Rune.GetNumericValue(rune) >= 0 || Rune.IsNumber(rune)),
        ["isprintable"] = (text, _, _) => text.Value.Length == 0 || AllRunes(text, PythonText.IsPrintable),
        ["isspace"] = (text, _, _) => text.Value.Length > 0 && text.Value.All(PythonText.IsSpace),
        ["istitle"] = (text, _, _) => IsTitle(text),
        ["isupper"] = (text, _, _) => HasOneCase(text, PythonCase.IsUpper),
        ["join"] = (text, arguments, run) => Join(text, arguments.Bind("join", 1, "iterable")[0]!, run),
        ["ljust"] = (text, arguments, run) => Pad(text, arguments.Bind("ljust", 1, "width", "fillchar"), (padding, _) => (0, padding), run),
        ["lower"] = (text, arguments, run) => { arguments.Bind("lower", 0); return PythonCase.Lower(text, run.Budget); },
        ["lstrip"] = (text, arguments, run) => Strip(text, arguments.Bind("lstrip", 0, "chars")[0], atStart: true, atEnd: false),
        ["partition"] = (text, arguments, run) => Partition(text, arguments.Bind("partition", 1, "sep")[0]!, fromEnd: false),
        ["removeprefix"] = (text, arguments, run) => RemoveAffix(text, arguments, "removeprefix", atEnd: false),
        ["removesuffix"] = (text, arguments, run) => RemoveAffix(text, arguments, "removesuffix", atEnd: true),
        ["replace"] = (text, arguments, run) =>
        {
            object?[] bound = arguments.Bind("replace", 2, "old", "new", "count");
            return Replace(text, RequireText(bound[0]!, "replace() argument 1 must be str"), RequireText(bound[1]!, "replace() argument 2 must be str"),
                bound[2] is null ? -1 : PythonType.ToIndex(bound[2]!), run);
        },
        ["rfind"] = (text, arguments, run) => (BigInteger)Find(text, arguments, "rfind", fromEnd: true),
        ["rindex"] = (text, arguments, run) => RequireFound(Find(text, arguments, "rindex", fromEnd: true)),
        ["rjust"] = (text, arguments, run) => Pad(text, arguments.Bind("rjust", 1, "width", "fillchar"), (padding, _) => (padding, 0), run),
        ["rpartition"] = (text, arguments, run) => Partition(text, arguments.Bind("rpartition", 1, "sep")[0]!, fromEnd: true),
        ["rsplit"] = (text, arguments, run) => Split(text, arguments.Bind("rsplit", 0, "sep", "maxsplit"), fromEnd: true, run),
        ["rstrip"] = (text, arguments, run) => Strip(text, arguments.Bind("rstrip", 0, "chars")[0], atStart: false, atEnd: true),
        ["split"] = (text, arguments, run) => Split(text, arguments.Bind("split", 0, "sep", "maxsplit"), fromEnd: false, run),
        ["splitlines"] = (text, arguments, run) => SplitLines(text, arguments.Bind("splitlines", 0, "keepends")[0] is { } keep && PythonType.IsTrue(keep), run),
        ["startswith"] = (text, arguments, run) => HasAffix(text, arguments, "startswith", atEnd: false),
        ["strip"] = (text, arguments, run) => Strip(text, arguments.Bind("strip", 0, "chars")[0], atStart: true, atEnd: true),
        ["swapcase"] = (text, arguments, run) => { arguments.Bind("swapcase", 0); return PythonCase.SwapCase(text, run.Budget); },
        ["title"] = (text, arguments, run) => { arguments.Bind("title", 0); return PythonCase.Title(text, run.Budget); },
        ["upper"] = (text, arguments, run) => { arguments.Bind("upper", 0); return PythonCase.Upper(text, run.Budget); },
        ["zfill"] = (text, arguments, run) => ZeroFill(text, PythonType.ToIndex(arguments.Bind("zfill", 1, "width")[0]!), run),
    };

    /// <summary>A method of a text, bound to it; null for a method that str does not have.</summary>
    public static FunctionValue? Find(TemplateText text, string name) =>
        Methods.TryGetValue(name, out Method? method) ? new FunctionValue(name, (arguments, run) =>
        {
            run.Budget.UseSteps(text.Value.Length / 16);
            object result = method(text, arguments, run);
            run.Budget.UseCharacters(result switch { TemplateText made => made.Value.Length, SequenceValue => text.Value.Length, _ => 0 });
            return result;
        }) : null;

    /// <summary>str.strip(): removes white space, or the given characters.</summary>
    public static TemplateText Strip(TemplateText text, object? characters, bool atStart, bool atEnd)
    {
        HashSet<int>? set = characters is null or NoneValue
            ? null
            : [.. RequireText(characters, "strip arg must be None or str").Value.EnumerateRunes().Select(rune => rune.Value)];
        string value = text.Value;
        int start = 0, end = value.Length;
        while (atStart && start < end && IsStripped(start, out int length))
            start += length;
        while (atEnd && end > start && IsStripped(end - (end - 2 >= start && TemplateText.IsPair(value, end - 2) ? 2 : 1), out int length))
            end -= length;
        return text.Slice(start, end - start);

        bool IsStripped(int unit, out int length)
        {
            length = TemplateText.IsPair(value, unit) ? 2 : 1;
            return set is null ? length == 1 && PythonText.IsSpace(value[unit]) : set.Contains(length == 2 ? char.ConvertToUtf32(value, unit) : value[unit]);
        }
    }

    /// <summary>str.replace().</summary>
    /// <param name="text">The text.</param>
    /// <param name="old">The text to replace; the empty text is found between all characters.</param>
    /// <param name="by">The replacement.</param>
    /// <param name="count">The most replacements; negative for no limit.</param>
    /// <param name="run">The rendering.</param>
    public static TemplateText Replace(TemplateText text, TemplateText old, TemplateText by, int count, TemplateRun run)
    {
        TemplateTextBuilder replaced = new(run.Budget);
        string value = text.Value;
        int start = 0, left = count < 0 ? int.MaxValue : count;
        if (old.Value.Length == 0)
        {
            for (int unit = 0; left > 0 && unit <= value.Length; left--)
            {
                replaced.Append(by);
                int length = unit == value.Length ? 0 : TemplateText.IsPair(value, unit) ? 2 : 1;
                replaced.Append(text, unit, length);
                start = unit + length;
                unit += Math.Max(1, length);
            }
        }
        for (int found; old.Value.Length > 0 && left > 0 && (found = value.IndexOf(old.Value, start, StringComparison.Ordinal)) >= 0; left--)
        {
            replaced.Append(text, start, found - start).Append(by);
            start = found + old.Value.Length;
        }
        return start == 0 && left > 0 && replaced.Length == 0 ? text : replaced.Append(text, start, value.Length - start).ToText().AsMarkup(text.IsMarkup);
    }

    /// <summary>str.join().</summary>
    public static TemplateText Join(TemplateText separator, object iterable, TemplateRun run)
    {
        if (!PythonType.IsIterable(iterable))
            throw JinjaException.Type("can only join an iterable");
        TemplateTextBuilder joined = new(run.Budget);
        int count = 0;
        foreach (object item in PythonType.Elements(iterable, run.Budget))
        {
            if (item is not TemplateText text)
                throw JinjaException.Type($"sequence item {count}: expected str instance, {PythonType.NameOf(item)} found");
            if (count++ > 0)
                joined.Append(separator);
            joined.Append(text);
        }
        return joined.ToText();
    }

    /// <summary>str.splitlines().</summary>
    public static ListValue SplitLines(TemplateText text, bool keepEnds, TemplateRun run)
    {
        List<object> lines = [];
        string value = text.Value;
        int start = 0;
        for (int i = 0; i < value.Length; i++)
        {
            if (value[i] is not ('\n' or '\r' or '\v' or '\f' or '\u001C' or '\u001D' or '\u001E' or '\u0085' or '\u2028' or '\u2029'))
                continue;
            int end = i;
            if (value[i] == '\r' && i + 1 < value.Length && value[i + 1] == '\n')
                i++;
            run.Budget.UseSteps();
            lines.Add(text.Slice(start, (keepEnds ? i + 1 : end) - start));
            start = i + 1;
        }
        if (start < value.Length)
            lines.Add(text.Slice(start, value.Length - start));
        return new ListValue(lines);
    }

    /// <summary>str.center().</summary>
    public static TemplateText Center(TemplateText text, int width, TemplateRun run) => Pad(text, [(BigInteger)width, null], Center, run);

    public static bool HasOneCase(TemplateText text, Func<Rune, bool> isOfCase)
    {
        bool any = false;
        foreach (Rune rune in text.Value.EnumerateRunes())
        {
            if (PythonCase.IsCased(rune) && !isOfCase(rune))
                return false;
            any |= isOfCase(rune);
        }
        return any;
    }

    private static (int Left, int Right) Center(int padding, int width)
    {
        int left = (padding / 2) + (padding & width & 1);
        return (left, padding - left);
    }

    private static TemplateText Pad(TemplateText text, object?[] bound, Func<int, int, (int Left, int Right)> share, TemplateRun run)
    {
        TemplateText fill = bound[1] is null ? TemplateText.Own(" ") : RequireText(bound[1]!, "The fill character must be a unicode character");
        if (fill.CodePoints != 1)
            throw JinjaException.Type("The fill character must be exactly one character long");
        int width = PythonType.ToIndex(bound[0]!);
        if (width <= text.CodePoints)
            return text;
        (int left, int right) = share(width - text.CodePoints, width);
        return new TemplateTextBuilder(run.Budget).AppendRepeated(fill, left).Append(text).AppendRepeated(fill, right).ToText().AsMarkup(text.IsMarkup);
    }

    private static TemplateText ZeroFill(TemplateText text, int width, TemplateRun run)
    {
        if (width <= text.CodePoints)
            return text;
        int sign = text.Value.Length > 0 && text.Value[0] is '+' or '-' ? 1 : 0;
        return new TemplateTextBuilder(run.Budget).Append(text, 0, sign)
            .AppendRepeated(TemplateText.Own("0"), width - text.CodePoints).Append(text, sign, text.Value.Length - sign).ToText();
    }

    private static TemplateText ExpandTabs(TemplateText text, object size, TemplateRun run)
    {
        int width = PythonType.ToIndex(size), column = 0;
        TemplateTextBuilder expanded = new(run.Budget);
        for (int unit = 0; unit < text.Value.Length;)
        {
            TemplateText codePoint = text.CodePointAt(unit);
            unit += codePoint.Value.Length;
            if (codePoint.Value == "\t")
            {
                int blanks = width > 0 ? width - (column % width) : 0;
                expanded.AppendRepeated(TemplateText.Own(" "), blanks);
                column += blanks;
                continue;
            }
            column = codePoint.Value is "\n" or "\r" ? 0 : column + 1;
            expanded.Append(codePoint);
        }
        return expanded.ToText();
    }

    private static bool AllRunes(TemplateText text, Func<Rune, bool> test)
    {
        foreach (Rune rune in text.Value.EnumerateRunes())
        {
            if (!test(rune))
                return false;
        }
        return text.Value.Length > 0;
    }

    private static bool IsAlphanumeric(Rune rune) => Rune.IsLetter(rune) || Rune.GetNumericValue(rune) >= 0 || Rune.IsNumber(rune);

    private static bool IsDigit(Rune rune) => CharUnicodeInfo.GetDigitValue(rune.ToString(), 0) >= 0;

    private static bool IsTitle(TemplateText text)
    {
        bool afterCased = false, any = false;
        foreach (Rune rune in text.Value.EnumerateRunes())
        {
            bool startsWord = PythonCase.IsUpper(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter, isCased = PythonCase.IsCased(rune);
            if (isCased && startsWord == afterCased)
                return false;
            (afterCased, any) = (isCased, any || isCased);
        }
        return any;
    }

    private static TemplateText RequireText(object value, string message) =>
        value as TemplateText ?? throw JinjaException.Type($"{message}, not {PythonType.NameOf(value)}");
}
