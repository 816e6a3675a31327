using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Python's <c>'…%s…' % values</c>. Inserted text keeps its origin.</summary>
internal static class PercentFormat
{
    /// <summary>Formats.</summary>
    /// <param name="format">The text with the conversions.</param>
    /// <param name="values">A tuple of values, a dict for conversions with names, or one value.</param>
    /// <param name="run">The rendering.</param>
    public static TemplateText Format(TemplateText format, object values, TemplateRun run)
    {
        TemplateTextBuilder text = new(run.Budget);
        string source = format.Value;
        IReadOnlyList<object> items = values is TupleValue tuple ? tuple.Items : [values];
        int used = 0, next = 0;
        while (next < source.Length)
        {
            int percent = source.IndexOf('%', next);
            if (percent < 0)
                percent = source.Length;
            text.Append(format, next, percent - next);
            if (percent == source.Length)
                break;
            Conversion conversion = Conversion.Read(source, percent + 1, Take);
            next = conversion.End;
            if (conversion.Type == '%')
                text.AppendOwn("%");
            else
                Append(text, conversion, conversion.Name is { } name ? ByName(values, name) : Take(), run);
        }
        // A single value that is not a tuple may be left over if it is a dict or a list.
        if (used < items.Count && values is not (DictValue or ListValue or DictView))
            throw JinjaException.Type("not all arguments converted during string formatting");
        return text.ToText();

        object Take()
        {
            run.Budget.UseSteps();
            return used < items.Count ? items[used++] : throw JinjaException.Type("not enough arguments for format string");
        }
    }

    private static object ByName(object values, string name)
    {
        if (values is not DictValue dict)
            throw JinjaException.Type("format requires a mapping");
        return dict.TryGet(TemplateText.Own(name), out object value) ? value : throw new JinjaException(JinjaError.Lookup, PythonText.Quote(name));
    }

    private static void Append(TemplateTextBuilder text, Conversion c, object value, TemplateRun run)
    {
        if (c.Type is 's' or 'r' or 'a')
        {
            TemplateText words = c.Type == 's' ? PythonText.Str(value, run.Budget) : PythonText.Repr(value, run.Budget);
            if (c.Precision >= 0 && c.Precision < words.CodePoints)
                words = words.Slice(0, words.UnitOf(c.Precision));
            AppendPadded(text, c, words, "", words.CodePoints, zeros: false);
            return;
        }
        if (c.Type == 'c')
        {
            TemplateText character = value is TemplateText one && one.CodePoints == 1 ? one
                : PythonType.TryInteger(value, out BigInteger code) && code >= 0 && code < 0x110000 && (code < 0xD800 || code > 0xDFFF)
                    ? TemplateText.Own(char.ConvertFromUtf32((int)code))
                : throw JinjaException.Type("%c requires int or char");
            AppendPadded(text, c, character, "", 1, zeros: false);
            return;
        }
        if (value is UndefinedValue undefined)
            throw undefined.Fail();
        bool isFloat = c.Type is 'e' or 'E' or 'f' or 'F' or 'g' or 'G';
        if (!PythonType.IsNumber(value))
            throw JinjaException.Type(isFloat
                ? $"must be real number, not {PythonType.NameOf(value)}"
                : $"%{c.Type} format: a real number is required, not {PythonType.NameOf(value)}");
        if (!isFloat && value is double && c.Type is 'x' or 'X' or 'o')
            throw JinjaException.Type($"%{c.Type} format: an integer is required, not float");
        (bool isNegative, string prefix, string digits) = isFloat ? WriteFloat(c, PythonOperators.ToDouble(value)) : WriteInteger(c, ToInteger(value));
        string plus = c.Flags.Contains('+', StringComparison.Ordinal) ? "+" : c.Flags.Contains(' ', StringComparison.Ordinal) ? " " : "";
        string sign = (isNegative ? "-" : plus) + prefix;
        AppendPadded(text, c, TemplateText.Own(digits), sign, sign.Length + digits.Length, zeros: c.Flags.Contains('0', StringComparison.Ordinal));
    }

    private static BigInteger ToInteger(object value) => value is double d
        ? double.IsFinite(d) ? new BigInteger(d)
        : throw (double.IsNaN(d)
            ? JinjaException.Value("cannot convert float NaN to integer")
            : new JinjaException(JinjaError.Overflow, "cannot convert float infinity to integer"))
        : PythonType.TryInteger(value, out BigInteger integer) ? integer : 0;

    private static (bool, string, string) WriteFloat(Conversion c, double number) =>
        (double.IsNegative(number) && !double.IsNaN(number), "",
            NumberFormat.WriteFloat(number, c.Type, c.Precision < 0 ? 6 : c.Precision, c.Flags.Contains('#', StringComparison.Ordinal)));

    private static (bool, string, string) WriteInteger(Conversion c, BigInteger number)
    {
        if (c.Precision > NumberFormat.MaxPrecision)
            throw JinjaException.Value("precision too big");
        string digits = NumberFormat.WriteInteger(number, c.Type switch { 'x' or 'X' => 16, 'o' => 8, _ => 10 }).PadLeft(Math.Max(0, c.Precision), '0');
        string prefix = c.Flags.Contains('#', StringComparison.Ordinal) ? c.Type switch { 'x' or 'X' => "0x", 'o' => "0o", _ => "" } : "";
        return c.Type == 'X' ? (number.Sign < 0, prefix.ToUpperInvariant(), digits.ToUpperInvariant()) : (number.Sign < 0, prefix, digits);
    }

    private static void AppendPadded(TemplateTextBuilder text, Conversion c, TemplateText words, string sign, int length, bool zeros)
    {
        bool isLeft = c.Width < 0 || c.Flags.Contains('-', StringComparison.Ordinal);
        long padding = Math.Max(0, Math.Abs((long)c.Width) - length);
        if (!isLeft && !zeros)
            text.AppendRepeated(TemplateText.Own(" "), padding);
        text.AppendOwn(sign);
        if (!isLeft && zeros)
            text.AppendRepeated(TemplateText.Own("0"), padding);
        text.Append(words);
        if (isLeft)
            text.AppendRepeated(TemplateText.Own(" "), padding);
    }

    /// <summary>A conversion, <c>%(name)-08.3f</c>.</summary>
    private readonly record struct Conversion(string? Name, string Flags, int Width, int Precision, char Type, int End)
    {
        public static Conversion Read(string source, int start, Func<object> take)
        {
            int i = start;
            string? name = null;
            if (i < source.Length && source[i] == '(')
            {
                int depth = 1, end = i + 1;
                for (; end < source.Length && depth > 0; end++)
                    depth += source[end] == '(' ? 1 : source[end] == ')' ? -1 : 0;
                if (depth > 0)
                    throw JinjaException.Value("incomplete format key");
                name = source[(i + 1)..(end - 1)];
                i = end;
            }
            int flags = i;
            while (i < source.Length && source[i] is '-' or '+' or ' ' or '#' or '0')
                i++;
            string found = source[flags..i];
            int width = Number(ref i, missing: 0), precision = -1;
            if (i < source.Length && source[i] == '.')
            {
                i++;
                precision = Math.Max(0, Number(ref i, missing: 0));
            }
            while (i < source.Length && source[i] is 'h' or 'l' or 'L')
                i++;
            if (i >= source.Length)
                throw JinjaException.Value("incomplete format");
            char type = source[i] switch { 'i' or 'u' => 'd', char other => other };
            if (!"diouxXeEfFgGcrsa%".Contains(type, StringComparison.Ordinal))
                throw JinjaException.Value($"unsupported format character '{type}' (0x{(int)type:x}) at index {i}");
            return new Conversion(name, found, width, precision, type, i + 1);

            int Number(ref int at, int missing)
            {
                if (at < source.Length && source[at] == '*')
                {
                    at++;
                    return PythonType.TryInteger(take(), out BigInteger given)
                        ? (int)BigInteger.Clamp(given, int.MinValue, int.MaxValue)
                        : throw JinjaException.Type("* wants int");
                }
                long number = missing;
                for (; at < source.Length && char.IsAsciiDigit(source[at]); at++)
                    number = Math.Min(int.MaxValue, (number * 10) + source[at] - '0');
                return (int)number;
            }
        }
    }
}
