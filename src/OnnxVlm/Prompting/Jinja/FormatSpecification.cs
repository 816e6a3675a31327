using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Python's format(): fill, alignment, sign, width, grouping, precision and type of one value.</summary>
internal static class FormatSpecification
{
    /// <summary>Appends a value.</summary>
    /// <param name="text">Receives the result.</param>
    /// <param name="value">The value.</param>
    /// <param name="specification">For example <c>&gt;10.2f</c>.</param>
    /// <param name="run">The rendering.</param>
    public static void Append(TemplateTextBuilder text, object value, TemplateText specification, TemplateRun run)
    {
        string spec = specification.Value;
        if (spec.Length == 0)
        {
            text.Append(PythonText.Str(value, run.Budget));
            return;
        }
        if (value is not (TemplateText or bool or BigInteger or double))
            throw JinjaException.Type($"unsupported format string passed to {PythonType.NameOf(value)}.__format__");
        Parts parts = Parts.Read(spec, value);
        if (value is TemplateText words)
            AppendText(text, words, parts);
        else
            AppendNumber(text, value, parts);
    }

    private static void AppendText(TemplateTextBuilder text, TemplateText words, Parts parts)
    {
        if (parts.Type is not ('\0' or 's'))
            throw JinjaException.Value($"Unknown format code '{parts.Type}' for object of type 'str'");
        if (parts.Sign != '\0' || parts.Grouping != '\0' || parts.Align == '=')
            throw JinjaException.Value("Sign, grouping and '=' alignment are not allowed in string format specifier");
        if (parts.Precision >= 0 && parts.Precision < words.CodePoints)
            words = words.Slice(0, words.UnitOf(parts.Precision));
        AppendAligned(text, "", words, parts, parts.Align == '\0' ? '<' : parts.Align, words.CodePoints);
    }

    private static void AppendNumber(TemplateTextBuilder text, object value, Parts parts)
    {
        bool isInteger = PythonType.TryInteger(value, out BigInteger integer);
        bool asFloat = !isInteger || parts.Type is 'e' or 'E' or 'f' or 'F' or 'g' or 'G' or '%';
        bool isNegative = isInteger ? integer.Sign < 0 : double.IsNegative((double)value) && !double.IsNaN((double)value);
        string digits = asFloat ? WriteFloat(PythonOperators.ToDouble(value), parts) : WriteInteger(value, integer, parts);
        string prefix = parts.IsAlternate && !asFloat ? parts.Type switch { 'x' => "0x", 'X' => "0X", 'o' => "0o", 'b' => "0b", _ => "" } : "";
        string sign = (isNegative ? "-" : parts.Sign is '+' or ' ' ? parts.Sign.ToString() : "") + prefix;
        if (parts.Grouping != '\0')
            digits = Group(digits, parts, sign.Length);
        AppendAligned(text, sign, TemplateText.Own(digits), parts, parts.Align == '\0' ? '>' : parts.Align, sign.Length + digits.Length);
    }

    private static string WriteFloat(double number, Parts parts)
    {
        string digits = parts.Type switch
        {
            '\0' when parts.Precision < 0 => PythonNumbers.Write(Math.Abs(number)),
            '\0' => General(number, parts),
            '%' => NumberFormat.WriteFloat(number * 100, 'f', parts.Precision < 0 ? 6 : parts.Precision, parts.IsAlternate) + "%",
            'n' => NumberFormat.WriteFloat(number, 'g', parts.Precision < 0 ? 6 : parts.Precision, parts.IsAlternate),
            'e' or 'E' or 'f' or 'F' or 'g' or 'G' => NumberFormat.WriteFloat(number, parts.Type, parts.Precision < 0 ? 6 : parts.Precision, parts.IsAlternate),
            _ => throw JinjaException.Value($"Unknown format code '{parts.Type}' for object of type 'float'"),
        };
        return digits;

        // Without a type, a float keeps one digit after the point.
        static string General(double number, Parts parts)
        {
            int precision = Math.Max(1, parts.Precision);
            string text = NumberFormat.WriteFloat(number, 'g', precision, parts.IsAlternate);
            if (text.Contains('e', StringComparison.Ordinal) || text.Contains('.', StringComparison.Ordinal) || !double.IsFinite(number))
                return text;
            if (text.Length < precision)
                return text + ".0";
            string exponential = NumberFormat.WriteFloat(number, 'e', precision - 1, parts.IsAlternate);
            int e = exponential.IndexOf('e', StringComparison.Ordinal);
            return (exponential.Contains('.', StringComparison.Ordinal) ? exponential[..e].TrimEnd('0').TrimEnd('.') : exponential[..e]) + exponential[e..];
        }
    }

    private static string WriteInteger(object value, BigInteger integer, Parts parts)
    {
        if (parts.Precision >= 0)
            throw JinjaException.Value("Precision not allowed in integer format specifier");
        return parts.Type switch
        {
            '\0' when value is bool b && parts.Align == '\0' && parts.Width == 0 && parts.Sign == '\0' => b ? "1" : "0",
            '\0' or 'd' or 'n' => NumberFormat.WriteInteger(integer, 10),
            'x' => NumberFormat.WriteInteger(integer, 16),
            'X' => NumberFormat.WriteInteger(integer, 16).ToUpperInvariant(),
            'o' => NumberFormat.WriteInteger(integer, 8),
            'b' => NumberFormat.WriteInteger(integer, 2),
            'c' => integer >= 0 && integer < 0x110000 && (integer < 0xD800 || integer > 0xDFFF)
                ? char.ConvertFromUtf32((int)integer)
                : throw new JinjaException(JinjaError.Overflow, "%c arg not in range(0x110000)"),
            _ => throw JinjaException.Value($"Unknown format code '{parts.Type}' for object of type 'int'"),
        };
    }

    // Groups the digits before the point; zeros that fill the width are also grouped.
    private static string Group(string digits, Parts parts, int signLength)
    {
        int size = parts.Type is 'x' or 'X' or 'o' or 'b' ? 4 : 3, end = digits.AsSpan().IndexOfAny('.', 'e', '%');
        string whole = end < 0 ? digits : digits[..end], rest = end < 0 ? "" : digits[end..];
        if (parts.Fill == "0" && parts.Align == '=')
        {
            while (whole.Length + ((whole.Length - 1) / size) + rest.Length + signLength < Math.Min(parts.Width, NumberFormat.MaxPrecision))
                whole = "0" + whole;
        }
        for (int i = whole.Length - size; i > 0; i -= size)
            whole = whole.Insert(i, parts.Grouping.ToString());
        return whole + rest;
    }

    private static void AppendAligned(TemplateTextBuilder text, string sign, TemplateText words, Parts parts, char align, int length)
    {
        long padding = Math.Max(0, parts.Width - length), left = align switch { '<' => 0, '^' => padding / 2, _ => padding };
        TemplateText fill = TemplateText.Own(parts.Fill);
        if (align == '=')
            text.AppendOwn(sign).AppendRepeated(fill, left).Append(words);
        else
            text.AppendRepeated(fill, left).AppendOwn(sign).Append(words).AppendRepeated(fill, padding - left);
    }

    private readonly record struct Parts(string Fill, char Align, char Sign, bool IsAlternate, int Width, char Grouping, int Precision, char Type)
    {
        public static Parts Read(string spec, object value)
        {
            string fill = " ";
            char align = '\0', sign = '\0', grouping = '\0', type = '\0';
            int i = 0, fillLength = TemplateText.IsPair(spec, 0) ? 2 : 1;
            if (spec.Length > fillLength && spec[fillLength] is '<' or '>' or '=' or '^')
                (fill, align, i) = (spec[..fillLength], spec[fillLength], fillLength + 1);
            else if (spec[0] is '<' or '>' or '=' or '^')
                (align, i) = (spec[0], 1);
            if (i < spec.Length && spec[i] is '+' or '-' or ' ')
                sign = spec[i++];
            if (i < spec.Length && spec[i] == 'z')
                i++;
            bool isAlternate = i < spec.Length && spec[i] == '#';
            i += isAlternate ? 1 : 0;
            if (i < spec.Length && spec[i] == '0')
            {
                if (align == '\0')
                    (fill, align) = ("0", value is TemplateText ? '<' : '=');
                else if (fill == " " && align == '=')
                    fill = "0";
                i++;
            }
            int width = Number(0);
            if (i < spec.Length && spec[i] is ',' or '_')
                grouping = spec[i++];
            int precision = -1;
            if (i < spec.Length && spec[i] == '.')
            {
                i++;
                precision = Number(-1) is >= 0 and int given ? given : throw JinjaException.Value("Format specifier missing precision");
            }
            if (i < spec.Length)
                type = spec[i++];
            return i < spec.Length ? throw JinjaException.Value($"Invalid format specifier '{spec}' for object of type '{PythonType.NameOf(value)}'")
                : new Parts(fill, align, sign, isAlternate, width, grouping, precision, type);

            int Number(int missing)
            {
                if (i >= spec.Length || !char.IsAsciiDigit(spec[i]))
                    return missing;
                long number = 0;
                for (; i < spec.Length && char.IsAsciiDigit(spec[i]); i++)
                    number = Math.Min(int.MaxValue, (number * 10) + spec[i] - '0');
                return (int)number;
            }
        }
    }
}
