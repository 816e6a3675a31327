using System.Text;

namespace OnnxVlm.Schemas;

/// <summary>Converts patterns of JSON Schema, which match anywhere in a text, to terminals of Lark, which match the whole text.</summary>
internal static class LarkRegex
{
    private const string Anything = "(?s:.)*";

    /// <summary>Converts a pattern.</summary>
    /// <param name="pattern">The pattern, in the syntax of Rust's regex crate.</param>
    /// <returns>A regular expression between slashes.</returns>
    public static string Of(string pattern) => $"/{string.Join('|', Alternatives(pattern).Select(Whole))}/";

    private static string Whole(string alternative)
    {
        bool isStart = alternative.StartsWith('^'), isEnd = alternative.EndsWith('$') && !IsEscaped(alternative, alternative.Length - 1);
        string body = alternative[(isStart ? 1 : 0)..(isEnd ? ^1 : ^0)];
        // An alternative that is a single group containing anchors, such as ^(?:a|b)$, needs nothing else.
        return $"{(isStart ? "" : Anything)}(?:{Escape(body)}){(isEnd ? "" : Anything)}";
    }

    // Splits at the top level only; alternatives in groups and classes stay.
    private static List<string> Alternatives(string pattern)
    {
        List<string> parts = [];
        int depth = 0, start = 0;
        bool inClass = false;
        for (int i = 0; i < pattern.Length; i++)
        {
            switch (pattern[i])
            {
                case '\\':
                    i++;
                    break;
                case '[':
                    inClass = true;
                    break;
                case ']':
                    inClass = false;
                    break;
                case '(' when !inClass:
                    depth++;
                    break;
                case ')' when !inClass:
                    depth--;
                    break;
                case '|' when !inClass && depth == 0:
                    parts.Add(pattern[start..i]);
                    start = i + 1;
                    break;
                default:
                    break;
            }
        }
        parts.Add(pattern[start..]);
        return parts;
    }

    private static bool IsEscaped(string text, int index)
    {
        int slashes = 0;
        while (index - slashes > 0 && text[index - slashes - 1] == '\\')
            slashes++;
        return slashes % 2 == 1;
    }

    // The digits and word characters of JSON Schema are those of ASCII. A slash would end the terminal.
    private static string Escape(string body)
    {
        StringBuilder escaped = new();
        bool inClass = false;
        for (int i = 0; i < body.Length; i++)
        {
            char c = body[i];
            if (c == '\\' && i + 1 < body.Length)
            {
                char next = body[++i];
                _ = next switch
                {
                    'd' => escaped.Append(inClass ? "0-9" : "[0-9]"),
                    'w' => escaped.Append(inClass ? "0-9A-Za-z_" : "[0-9A-Za-z_]"),
                    _ => escaped.Append(c).Append(next),
                };
                continue;
            }
            inClass = c == '[' || (inClass && c != ']');
            _ = c switch
            {
                '/' => escaped.Append("\\/"),
                '\n' => escaped.Append("\\n"),
                '\r' => escaped.Append("\\r"),
                _ => escaped.Append(c),
            };
        }
        return escaped.ToString();
    }
}
