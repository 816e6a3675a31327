using System.Globalization;
using System.Text;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>The escapes of Python's string literals.</summary>
internal static class StringLiteral
{
    /// <summary>Reads the contents of the quotes.</summary>
    /// <returns>The text; null where an escape is incomplete, or refers to a character by its name.</returns>
    public static string? Unescape(string literal)
    {
        if (!literal.Contains('\\', StringComparison.Ordinal))
            return literal;
        StringBuilder text = new();
        for (int i = 0; i < literal.Length; i++)
        {
            if (literal[i] != '\\')
            {
                text.Append(literal[i]);
                continue;
            }
            if (++i == literal.Length)
                return null;
            switch (literal[i])
            {
                case '\n':
                    break;
                case 'x' or 'u' or 'U':
                    int length = literal[i] switch { 'x' => 2, 'u' => 4, _ => 8 };
                    if (i + length >= literal.Length
                        || !int.TryParse(literal.AsSpan(i + 1, length), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int code)
                        || code is < 0 or > 0x10FFFF)
                        return null;
                    text.Append(code > 0xFFFF ? char.ConvertFromUtf32(code) : ((char)code).ToString());
                    i += length;
                    break;
                case >= '0' and <= '7':
                    int value = 0, end = Math.Min(i + 3, literal.Length);
                    for (; i < end && literal[i] is >= '0' and <= '7'; i++)
                        value = (value * 8) + literal[i] - '0';
                    i--;
                    text.Append((char)value);
                    break;
                case 'N':
                    return null;
                default:
                    text.Append(literal[i] switch
                    {
                        'n' => "\n",
                        't' => "\t",
                        'r' => "\r",
                        'a' => "\a",
                        'b' => "\b",
                        'f' => "\f",
                        'v' => "\v",
                        '\\' or '\'' or '"' => literal[i].ToString(),
                        char other => "\\" + other,
                    });
                    break;
            }
        }
        return text.ToString();
    }
}
