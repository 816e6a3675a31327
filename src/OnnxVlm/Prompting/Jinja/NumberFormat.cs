using System.Globalization;
using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Floats with a given number of digits, as C's printf and Python's format() write them.</summary>
internal static class NumberFormat
{
    /// <summary>The most digits after the point.</summary>
    public const int MaxPrecision = 10_000;

    /// <summary>The absolute value of a float.</summary>
    /// <param name="number">The number; its sign is left out.</param>
    /// <param name="form">e, f, g, or a letter in upper case for an upper-case exponent, INF and NAN.</param>
    /// <param name="precision">Digits after the point, or with g all digits.</param>
    /// <param name="keepsZeros">The flag #: with g, trailing zeros stay, and a point is always written.</param>
    public static string WriteFloat(double number, char form, int precision, bool keepsZeros)
    {
        if (precision > MaxPrecision)
            throw JinjaException.Value("precision too big");
        double value = Math.Abs(number);
        string text;
        if (!double.IsFinite(value))
            text = double.IsNaN(value) ? "nan" : "inf";
        else
            text = char.ToLowerInvariant(form) switch
            {
                'f' => value.ToString("F" + precision.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)
                    + (keepsZeros && precision == 0 ? "." : ""),
                'e' => Exponential(value, precision, keepsZeros),
                _ => General(value, Math.Max(1, precision), keepsZeros),
            };
        return char.IsUpper(form) ? text.ToUpperInvariant() : text;
    }

    /// <summary>The absolute value of an integer in another base, without a prefix.</summary>
    public static string WriteInteger(BigInteger number, int radix)
    {
        BigInteger value = BigInteger.Abs(number);
        if (radix == 10)
            return value.ToString(CultureInfo.InvariantCulture);
        if (value.IsZero)
            return "0";
        Stack<char> digits = new();
        for (; !value.IsZero; value /= radix)
            digits.Push("0123456789abcdef"[(int)(value % radix)]);
        return new string([.. digits]);
    }

    // .NET writes at least three digits of the exponent, C at least two.
    private static string Exponential(double value, int precision, bool keepsPoint)
    {
        string text = value.ToString("E" + precision.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        int e = text.IndexOf('E', StringComparison.Ordinal);
        int exponent = int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string point = keepsPoint && precision == 0 ? "." : "";
        return $"{text[..e]}{point}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent).ToString("00", CultureInfo.InvariantCulture)}";
    }

    private static string General(double value, int precision, bool keepsZeros)
    {
        string text = Exponential(value, precision - 1, keepsZeros);
        int e = text.IndexOf('e', StringComparison.Ordinal);
        int exponent = int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (exponent < -4 || exponent >= precision)
            return keepsZeros ? text : TrimZeros(text[..e]) + text[e..];
        string plain = value.ToString("F" + (precision - 1 - exponent).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        return keepsZeros ? (plain.Contains('.', StringComparison.Ordinal) ? plain : plain + ".") : TrimZeros(plain);
    }

    private static string TrimZeros(string digits) => digits.Contains('.', StringComparison.Ordinal) ? digits.TrimEnd('0').TrimEnd('.') : digits;
}
