using System.Globalization;
using System.Numerics;
using System.Text;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Numbers as Python reads and writes them.</summary>
internal static class PythonNumbers
{
    private const NumberStyles FloatStyles = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    /// <summary>repr() of a float: the shortest digits that give the same number, with an exponent below 1e-4 and from 1e16 on.</summary>
    public static string Write(double number)
    {
        if (!double.IsFinite(number))
            return double.IsNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
        (bool isNegative, string digits, int point) = Digits(number.ToString("R", CultureInfo.InvariantCulture));
        StringBuilder text = new(isNegative ? "-" : "");
        // The number is 0.DIGITS times 10 to the power of point.
        if (point is > -4 and <= 16)
        {
            if (point <= 0)
                text.Append("0.").Append('0', -point).Append(digits);
            else if (digits.Length <= point)
                text.Append(digits).Append('0', point - digits.Length).Append(".0");
            else
                text.Append(digits, 0, point).Append('.').Append(digits, point, digits.Length - point);
            return text.ToString();
        }
        text.Append(digits[0]);
        if (digits.Length > 1)
            text.Append('.').Append(digits, 1, digits.Length - 1);
        int exponent = point - 1;
        return text.Append(exponent < 0 ? "e-" : "e+").Append(Math.Abs(exponent).ToString("00", CultureInfo.InvariantCulture)).ToString();
    }

    /// <summary>str() of any number.</summary>
    public static string Write(object number) => number switch
    {
        bool b => b ? "True" : "False",
        BigInteger integer => integer.ToString(CultureInfo.InvariantCulture),
        _ => Write((double)number),
    };

    /// <summary>float() of a text: it accepts surrounding white space, digits of any script, single underscores between digits, inf and nan.</summary>
    public static double? TryReadFloat(string text)
    {
        string? plain = ToPlain(text);
        if (plain is null)
            return null;
        string word = plain.TrimStart('+', '-');
        if (plain.Length - word.Length <= 1 && word.ToLowerInvariant() is "inf" or "infinity" or "nan")
            return word.StartsWith("n", StringComparison.OrdinalIgnoreCase) ? double.NaN : plain[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
        return plain.Length > 0 && (char.IsAsciiDigit(plain[^1]) || plain[^1] == '.')
            && double.TryParse(plain, FloatStyles, CultureInfo.InvariantCulture, out double number) ? number : null;
    }

    /// <summary>int() of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="radix">2 to 36; 0 reads the prefixes 0b, 0o and 0x.</param>
    public static BigInteger? TryReadInteger(string text, int radix)
    {
        if (ToPlain(text) is not { } plain)
            return null;
        bool isNegative = plain.StartsWith('-');
        string digits = isNegative || plain.StartsWith('+') ? plain[1..] : plain;
        int prefix = digits.Length > 2 && digits[0] == '0' ? digits[1] switch { 'b' or 'B' => 2, 'o' or 'O' => 8, 'x' or 'X' => 16, _ => 0 } : 0;
        if (prefix != 0 && (radix == 0 || radix == prefix))
            (digits, radix) = (digits[2..], prefix);
        else if (radix == 0 && digits.Length > 1 && digits[0] == '0' && digits.Trim('0').Length > 0)
            return null;
        // Python has the same limit.
        if (digits.Length is 0 or > 4300)
            return null;
        BigInteger number = 0;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiLetter(c) ? (c | ' ') - 'a' + 10 : char.IsAsciiDigit(c) ? c - '0' : 99;
            if (digit >= (radix == 0 ? 10 : radix))
                return null;
            number = (number * (radix == 0 ? 10 : radix)) + digit;
        }
        return isNegative ? -number : number;
    }

    /// <summary>The quotient of two integers, rounded once.</summary>
    public static double Quotient(BigInteger a, BigInteger b)
    {
        BigInteger limit = BigInteger.One << 53;
        if (BigInteger.Abs(a) <= limit && BigInteger.Abs(b) <= limit)
            return (double)a / (double)b;
        // 64 bits of the quotient and a bit for the remainder are more than a double holds.
        int shift = (int)(BigInteger.Abs(b).GetBitLength() - BigInteger.Abs(a).GetBitLength()) + 64;
        BigInteger numerator = shift >= 0 ? BigInteger.Abs(a) << shift : BigInteger.Abs(a);
        BigInteger denominator = shift >= 0 ? BigInteger.Abs(b) : BigInteger.Abs(b) << -shift;
        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger rest);
        double value = Math.ScaleB((double)((quotient << 1) | (rest.IsZero ? 0 : 1)), -shift - 1);
        if (double.IsInfinity(value))
            throw new JinjaException(JinjaError.Overflow, "integer division result too large for a float");
        return a.Sign * b.Sign < 0 ? -value : value;
    }

    // The digits of .NET's shortest form without leading and trailing zeros, and the position of the point among them.
    private static (bool IsNegative, string Digits, int Point) Digits(string shortest)
    {
        bool isNegative = shortest.StartsWith('-');
        string mantissa = shortest.TrimStart('-');
        int e = mantissa.IndexOf('E', StringComparison.Ordinal);
        int exponent = e < 0 ? 0 : int.Parse(mantissa.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (e >= 0)
            mantissa = mantissa[..e];
        int dot = mantissa.IndexOf('.', StringComparison.Ordinal);
        int point = (dot < 0 ? mantissa.Length : dot) + exponent;
        string all = mantissa.Replace(".", "", StringComparison.Ordinal), digits = all.TrimStart('0');
        point -= all.Length - digits.Length;
        digits = digits.TrimEnd('0');
        return digits.Length == 0 ? (isNegative, "0", 1) : (isNegative, digits, point);
    }

    // Removes surrounding white space and underscores between digits, and converts digits to ASCII; null for an underscore elsewhere.
    private static string? ToPlain(string text)
    {
        StringBuilder plain = new();
        string trimmed = PythonText.Strip(text);
        for (int i = 0; i < trimmed.Length; i++)
        {
            char c = trimmed[i];
            if (c == '_')
            {
                if (i == 0 || i == trimmed.Length - 1 || !char.IsAsciiLetterOrDigit(trimmed[i - 1]) || !char.IsAsciiLetterOrDigit(trimmed[i + 1]))
                    return null;
                continue;
            }
            plain.Append(CharUnicodeInfo.GetDecimalDigitValue(c) is >= 0 and int digit ? (char)('0' + digit) : c);
        }
        return plain.ToString();
    }
}
