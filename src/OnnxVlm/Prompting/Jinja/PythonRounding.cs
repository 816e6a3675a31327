using System.Globalization;
using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Python's round(): a tie goes to the even neighbour. Floats are rounded by their exact value, not by a product with a power of ten.</summary>
internal static class PythonRounding
{
    public static object Round(BigInteger number, int digits, TemplateLimits limits)
    {
        if (digits >= 0)
            return number;
        if (-(long)digits > limits.MaxIntegerBits)
            return BigInteger.Zero;
        BigInteger unit = BigInteger.Pow(10, -digits), rest = BigInteger.Remainder(number, unit);
        if (rest.Sign < 0)
            rest += unit;
        BigInteger below = number - rest;
        int half = (rest * 2).CompareTo(unit);
        return half > 0 || (half == 0 && !(below / unit).IsEven) ? below + unit : below;
    }

    public static object Round(double number, int digits)
    {
        if (!double.IsFinite(number) || digits > 340)
            return number;
        if (digits < -320)
            return Math.CopySign(0, number);
        if (digits <= 0)
        {
            // From 2 to the power of 53 on, a float is an integer.
            BigInteger whole = new(number);
            double rest = number - Math.Truncate(number);
            if (digits == 0)
                return Math.Round(number, MidpointRounding.ToEven);
            BigInteger unit = BigInteger.Pow(10, -digits), remainder = BigInteger.Remainder(whole, unit);
            if (remainder.Sign < 0)
                remainder += unit;
            int half = (remainder * 2).CompareTo(unit) is 0 and var tie ? Math.Sign(rest) + tie : (remainder * 2).CompareTo(unit);
            BigInteger below = whole - remainder;
            BigInteger rounded = half > 0 || (half == 0 && !(below / unit).IsEven) ? below + unit : below;
            return rounded.IsZero ? Math.CopySign(0, number) : (double)rounded;
        }
        // .NET's fixed-point form is exact, but rounds a tie away from zero. Writing all digits shows whether there is a tie.
        string exact = Math.Abs(number).ToString("F" + (digits + 1100).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        int cut = exact.IndexOf('.', StringComparison.Ordinal) + 1 + digits;
        string kept = exact[..cut], dropped = exact[cut..].TrimEnd('0');
        bool up = string.CompareOrdinal(dropped, "5") is var order && (order > 0 || (order == 0 && (kept[^1] - '0') % 2 == 1));
        BigInteger scaled = BigInteger.Parse(kept.Replace(".", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) + (up ? 1 : 0);
        return Math.CopySign(double.Parse($"{scaled}E-{digits}", CultureInfo.InvariantCulture), number);
    }
}
