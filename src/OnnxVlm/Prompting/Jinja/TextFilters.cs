using System.Globalization;
using System.Numerics;
using System.Text;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Jinja's filters on texts.</summary>
internal static class TextFilters
{
    public static object Trim(object value, CallArguments arguments, TemplateRun run) =>
        StringMethods.Strip(PythonText.Str(value, run.Budget), arguments.Bind("do_trim", 0, "chars")[0], atStart: true, atEnd: true);

    public static object Replace(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_replace", 2, "old", "new", "count");
        return StringMethods.Replace(
            PythonText.Str(value, run.Budget).AsMarkup(false), PythonText.Str(bound[0]!, run.Budget), PythonText.Str(bound[1]!, run.Budget),
            bound[2] is null or NoneValue ? -1 : PythonType.ToIndex(bound[2]!), run);
    }

    public static object Center(object value, CallArguments arguments, TemplateRun run) =>
        StringMethods.Center(PythonText.Str(value, run.Budget), arguments.Bind("do_center", 0, "width")[0] is { } width ? PythonType.ToIndex(width) : 80, run);

    public static object Format(object value, CallArguments arguments, TemplateRun run)
    {
        if (arguments.Positional.Count > 0 && arguments.Named.Count > 0)
            throw new JinjaException(JinjaError.Runtime, "can't handle positional and keyword arguments at the same time");
        object values = new TupleValue(arguments.Positional);
        if (arguments.Named.Count > 0)
        {
            DictValue dict = new();
            foreach ((string name, object argument) in arguments.Named)
                dict.Set(name, argument);
            values = dict;
        }
        return PercentFormat.Format(PythonText.Str(value, run.Budget), values, run);
    }

    public static object Indent(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_indent", 0, "width", "first", "blank");
        TemplateText indention = bound[0] as TemplateText
            ?? new TemplateTextBuilder(run.Budget).AppendRepeated(TemplateText.Own(" "), bound[0] is null ? 4 : PythonType.ToIndex(bound[0]!)).ToText();
        // Adding the line break fails for other types than text, as in Jinja.
        TemplateText text = (TemplateText)PythonOperators.Add(value, TemplateText.Own("\n"), run);
        IReadOnlyList<object> lines = StringMethods.SplitLines(text, keepEnds: false, run).Items;
        bool blank = bound[2] is { } blanks && PythonType.IsTrue(blanks);
        TemplateTextBuilder indented = new(run.Budget);
        if (bound[1] is { } first && PythonType.IsTrue(first))
            indented.Append(indention);
        for (int i = 0; i < lines.Count; i++)
        {
            TemplateText line = (TemplateText)lines[i];
            if (i > 0)
                indented.AppendOwn("\n");
            if (i > 0 && (blank || line.Value.Length > 0))
                indented.Append(indention);
            indented.Append(line);
        }
        return indented.ToText().AsMarkup(text.IsMarkup);
    }

    public static object Truncate(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_truncate", 0, "length", "killwords", "end", "leeway");
        int length = bound[0] is null ? 255 : PythonType.ToIndex(bound[0]!), leeway = bound[3] is null or NoneValue ? 5 : PythonType.ToIndex(bound[3]!);
        TemplateText end = bound[2] as TemplateText ?? TemplateText.Own("...");
        if (length < end.CodePoints)
            throw new JinjaException(JinjaError.Runtime, $"expected length >= {end.CodePoints}, got {length}");
        if (leeway < 0)
            throw new JinjaException(JinjaError.Runtime, $"expected leeway >= 0, got {leeway}");
        if (PythonType.LengthOf(value) <= (long)length + leeway)
            return value;
        TemplateText text = value as TemplateText ?? throw JinjaException.Type($"'{PythonType.NameOf(value)}' object cannot be truncated");
        TemplateText kept = text.Slice(0, text.UnitOf(length - end.CodePoints));
        if (bound[1] is null || !PythonType.IsTrue(bound[1]!))
        {
            int blank = kept.Value.LastIndexOf(' ');
            kept = blank < 0 ? kept : kept.Slice(0, blank);
        }
        return PythonOperators.Add(kept, end, run);
    }

    /// <summary>The filter's own title case, which differs from str.title(): each word's first character in upper case, the others in lower case.</summary>
    public static TemplateText Title(TemplateText text, TemplateBudget budget)
    {
        TemplateTextBuilder titled = new(budget);
        string value = text.Value;
        for (int i = 0; i < value.Length;)
        {
            int end = i;
            bool isBetween = IsBetweenWords(value[i]);
            while (end < value.Length && IsBetweenWords(value[end]) == isBetween)
                end++;
            int first = TemplateText.IsPair(value, i) ? 2 : 1;
            titled.Append(PythonCase.Upper(text.Slice(i, first), budget)).Append(PythonCase.Lower(text.Slice(i + first, end - i - first), budget));
            i = end;
        }
        return titled.ToText();

        static bool IsBetweenWords(char c) => c is '-' or '(' or '{' or '[' or '<' || PythonText.IsSpace(c);
    }

    public static object WordCount(object value, CallArguments arguments, TemplateRun run)
    {
        int words = 0;
        bool inWord = false;
        foreach (Rune rune in PythonText.Str(value, run.Budget).Value.EnumerateRunes())
        {
            bool isWord = rune.Value == '_' || Rune.IsLetterOrDigit(rune) || Rune.IsNumber(rune);
            words += isWord && !inWord ? 1 : 0;
            inWord = isWord;
        }
        return (BigInteger)words;
    }

    public static object WordWrap(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_wordwrap", 0, "width", "break_long_words", "wrapstring", "break_on_hyphens");
        int width = bound[0] is null ? 79 : PythonType.ToIndex(bound[0]!);
        bool breaksWords = bound[1] is null || PythonType.IsTrue(bound[1]!), atHyphens = bound[3] is null || PythonType.IsTrue(bound[3]!);
        TemplateText wrap = bound[2] as TemplateText ?? TemplateText.Own("\n");
        TemplateText text = value as TemplateText ?? throw JinjaException.Type($"'{PythonType.NameOf(value)}' object has no attribute 'splitlines'");
        if (width <= 0)
            throw JinjaException.Value($"invalid width {width} (must be > 0)");
        List<object> lines = [];
        foreach (object line in StringMethods.SplitLines(text, keepEnds: false, run).Items)
            lines.Add(StringMethods.Join(wrap, new ListValue(new LineWrapper(width, breaksWords, atHyphens, run).Wrap((TemplateText)line)), run));
        return StringMethods.Join(wrap, new ListValue(lines), run);
    }

    public static object StripTags(object value, CallArguments arguments, TemplateRun run)
    {
        TemplateText text = PythonText.Str(value, run.Budget).AsMarkup(false);
        foreach ((string open, string close) in new[] { ("<!--", "-->"), ("<", ">") })
        {
            for (int start = text.Value.IndexOf(open, StringComparison.Ordinal); start >= 0; start = text.Value.IndexOf(open, start, StringComparison.Ordinal))
            {
                int end = text.Value.IndexOf(close, start, StringComparison.Ordinal);
                if (end < 0)
                    break;
                run.Budget.UseSteps(1 + (text.Value.Length / 16));
                text = new TemplateTextBuilder(run.Budget)
                    .Append(text, 0, start).Append(text, end + close.Length, text.Value.Length - end - close.Length).ToText();
            }
        }
        // White space is collapsed to single blanks, and the most common entities are decoded.
        object words = StringMethods.Join(TemplateText.Own(" "), StringMethods.Find(text, "split")!.Call(CallArguments.None, run), run);
        foreach ((string entity, string character) in new[] { ("&lt;", "<"), ("&gt;", ">"), ("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&") })
            words = StringMethods.Replace((TemplateText)words, TemplateText.Own(entity), new TemplateText(character, fromTemplate: false), -1, run);
        return words;
    }

    public static object UrlEncode(object value, CallArguments arguments, TemplateRun run)
    {
        if (value is TemplateText || !PythonType.IsIterable(value))
            return Quote(PythonText.Str(value, run.Budget), inQuery: false, run);
        TemplateTextBuilder query = new(run.Budget);
        foreach (object pair in value is DictValue dict ? new DictView(dict, DictPart.Items).Elements() : PythonType.Elements(value, run.Budget))
        {
            List<object> entry = PythonType.ToList(pair, run.Budget);
            if (entry.Count != 2)
                throw JinjaException.Value(
                    entry.Count < 2 ? $"not enough values to unpack (expected 2, got {entry.Count})" : "too many values to unpack (expected 2)");
            query.AppendOwn(query.Length > 0 ? "&" : "")
                .Append(Quote(PythonText.Str(entry[0], run.Budget), inQuery: true, run)).AppendOwn("=")
                .Append(Quote(PythonText.Str(entry[1], run.Budget), inQuery: true, run));
        }
        return query.ToText();
    }

    public static object FileSize(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_filesizeformat", 0, "binary");
        bool binary = bound[0] is { } flag && PythonType.IsTrue(flag);
        double bytes = value is TemplateText text
            ? PythonNumbers.TryReadFloat(text.Value) ?? throw JinjaException.Value($"could not convert string to float: {PythonText.ReprForMessage(text)}")
            : PythonType.IsNumber(value) ? PythonOperators.ToDouble(value)
            : throw JinjaException.Type($"float() argument must be a string or a real number, not '{PythonType.NameOf(value)}'");
        double unit = binary ? 1024 : 1000;
        if (bytes == 1)
            return TemplateText.Own("1 Byte");
        if (bytes < unit)
            return TemplateText.Own(string.Create(CultureInfo.InvariantCulture, $"{new BigInteger(bytes)} Bytes"));
        int power = 0;
        while (power < 7 && bytes >= Math.Pow(unit, power + 2))
            power++;
        string size = NumberFormat.WriteFloat(unit * bytes / Math.Pow(unit, power + 2), 'f', 1, keepsZeros: false);
        return TemplateText.Own($"{size} {(binary ? "KMGTPEZY"[power] + "iB" : "kMGTPEZY"[power] + "B")}");
    }

    private static TemplateText Quote(TemplateText text, bool inQuery, TemplateRun run)
    {
        TemplateTextBuilder quoted = new(run.Budget);
        for (int i = 0; i < text.Value.Length;)
        {
            TemplateText codePoint = text.CodePointAt(i);
            char c = text.Value[i];
            if (char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' or '~' || (c == '/' && !inQuery))
                quoted.Append(codePoint);
            else if (c == ' ' && inQuery)
                quoted.Append("+", text.IsFromTemplate(i));
            else
                quoted.Append(string.Concat(Encoding.UTF8.GetBytes(codePoint.Value).Select(b => $"%{b:X2}")), text.IsFromTemplate(i));
            i += codePoint.Value.Length;
        }
        return quoted.ToText();
    }
}
