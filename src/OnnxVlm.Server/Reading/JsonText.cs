using System.Text;
using System.Text.Unicode;

namespace OnnxVlm.Server.Reading;

/// <summary>
/// Repairs the text of JSON: whatever is not a character becomes U+FFFD, as is usual when UTF-8 is read. Otherwise half of a surrogate pair or a
/// wrong byte would fail only when its string is read.
/// </summary>
internal static class JsonText
{
    /// <summary>Replaces wrong bytes, and escapes of half a surrogate pair.</summary>
    /// <param name="json">Bytes that should be JSON; changed in place if the length allows it.</param>
    /// <returns>The same array, or a new one where bytes were wrong.</returns>
    public static byte[] Mend(byte[] json)
    {
        byte[] valid = Utf8.IsValid(json) ? json : Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(json));
        ReplaceHalfPairs(valid);
        return valid;
    }

    /// <summary>The same for a text that is to be JSON.</summary>
    /// <param name="json">Text that should be JSON.</param>
    public static string Mend(string json) =>
        json.Contains("\\u", StringComparison.Ordinal) ? Encoding.UTF8.GetString(Mend(Encoding.UTF8.GetBytes(json))) : json;

    private static void ReplaceHalfPairs(Span<byte> json)
    {
        for (int at = 0; json[at..].IndexOf((byte)'\\') is int next && next >= 0;)
        {
            at += next;
            if (SurrogateAt(json[at..]) is not { } first)
            {
                at = Math.Min(at + 2, json.Length); // the escaped character, which may be a backslash
                continue;
            }
            if (first < 0xDC00 && SurrogateAt(json[(at + 6)..]) is >= 0xDC00)
            {
                at += 12;
                continue;
            }
            "fffd"u8.CopyTo(json[(at + 2)..]);
            at += 6;
        }
    }

    /// <summary>The half of a pair that is escaped here, or null.</summary>
    private static int? SurrogateAt(ReadOnlySpan<byte> json) =>
        json.Length >= 6 && json[0] == '\\' && json[1] == 'u' && (json[2] | 0x20) == 'd'
            && int.TryParse(json.Slice(2, 4), System.Globalization.NumberStyles.AllowHexSpecifier, null, out int value) && value is >= 0xD800 and <= 0xDFFF
                ? value
                : null;
}
