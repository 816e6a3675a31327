using System.Buffers;
using System.Globalization;
using System.Text;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>
/// Translates a regular expression of Oniguruma, which Hugging Face's library uses, to .NET's syntax, so that it matches the same text. Differences
/// are spelled out: case-insensitive letters (<c>s</c> is also U+017F, <c>k</c> U+212A), word characters, line ends, possessive quantifiers. What
/// cannot be spelled out is refused by name.
/// </summary>
internal sealed class OnigurumaPattern
{
    // Letters, marks, digits, connectors, and the circled letters, which are symbols.
    private const string Word = @"\p{L}\p{M}\p{Nl}\p{Nd}\p{Pc}\u24B6-\u24E9";

    private static readonly HashSet<string> Categories =
    [
        "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
        "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C", "Cc", "Cf", "Co", "Cn",
    ];

    // Pairs of letters that a single character also matches if case is ignored: ß, and the ligatures.
    private static readonly string[] Folded = ["ss", "ff", "fi", "fl", "st"];

    private static readonly SearchValues<char> OfIntervals = SearchValues.Create("0123456789,");

    private readonly string _source;
    private readonly StringBuilder _result = new();
    private readonly bool[] _named = new bool[char.MaxValue + 1];
    private readonly Stack<(int Start, bool IgnoresCase)> _groups = [];
    private bool _ignoresCase;
    private char _lastLetter;
    private int _next;

    private OnigurumaPattern(string source) => _source = source;

    /// <summary>The expression in .NET's syntax.</summary>
    public string Text => _result.ToString();

    /// <summary>Translates an expression.</summary>
    /// <param name="source">An expression in Oniguruma's syntax.</param>
    /// <exception cref="NotSupportedException">A part of it cannot be followed exactly; the message names it.</exception>
    public static OnigurumaPattern Translate(string source)
    {
        OnigurumaPattern pattern = new(source);
        int atom = -1;
        while (pattern._next < source.Length)
            atom = pattern.ReadPart(atom);
        return pattern._groups.Count == 0 ? pattern : throw new NotSupportedException("an open group");
    }

    /// <summary>Whether the expression distinguishes word characters from others.</summary>
    public bool SeesWords { get; private set; }

    /// <summary>Whether the expression names a character, alone or within a range.</summary>
    public bool Names(char character) => _named[character];

    // Reads one part. Returns the start of the last atom in the result, or -1 where a quantifier cannot follow.
    private int ReadPart(int atom)
    {
        char c = _source[_next];
        if (c is '*' or '+' or '?' || (c == '{' && IsInterval()))
        {
            _lastLetter = '\0';
            ReadQuantifier(atom);
            return -1;
        }
        int start = _result.Length;
        switch (c)
        {
            case '(':
                return OpenGroup();
            case ')':
                return CloseGroup();
            case '[':
                ReadClass();
                return start;
            case '|':
                _lastLetter = '\0';
                Take(1);
                return -1;
            case '.':
                _lastLetter = '\0';
                Take(1);
                return start;
            case '^':
                Write(1, @"(?:\A|(?<=\n)(?!\z))");
                return -1;
            case '$':
                Write(1, @"(?=\n|\z)");
                return -1;
            case '\\':
                return ReadEscape() ? start : -1;
            default:
                _next++;
                WriteLiteral(c);
                return start;
        }
    }

    private int OpenGroup()
    {
        _lastLetter = '\0';
        foreach (string opening in new[] { "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>" })
        {
            if (_source.AsSpan(_next).StartsWith(opening))
            {
                _groups.Push((_result.Length, _ignoresCase));
                Take(opening.Length);
                return -1;
            }
        }
        if (_source.AsSpan(_next).StartsWith("(?i:") || _source.AsSpan(_next).StartsWith("(?-i:"))
        {
            _groups.Push((_result.Length, _ignoresCase));
            _ignoresCase = _source[_next + 2] == 'i';
            Write(_ignoresCase ? 4 : 5, "(?:");
            return -1;
        }
        if (_next == 0 && _source.StartsWith("(?i)", StringComparison.Ordinal))
        {
            _ignoresCase = true;
            _next += 4;
            return -1;
        }
        if (_next + 1 < _source.Length && _source[_next + 1] is '?' or '*')
            throw Refused(_source[_next..Math.Min(_next + 4, _source.Length)]);
        _groups.Push((_result.Length, _ignoresCase));
        Write(1, "(?:");
        return -1;
    }

    private int CloseGroup()
    {
        _lastLetter = '\0';
        if (_groups.Count == 0)
            throw Refused(")");
        (int start, _ignoresCase) = _groups.Pop();
        Take(1);
        return start;
    }

    private bool IsInterval()
    {
        int end = _source.IndexOf('}', _next);
        ReadOnlySpan<char> inner = end < 0 ? "" : _source.AsSpan(_next + 1, end - _next - 1);
        return inner.Length > 0 && !inner.ContainsAnyExcept(OfIntervals) && inner.Count(',') <= 1 && inner is not ",";
    }

    private void ReadQuantifier(int atom)
    {
        if (atom < 0)
            throw Refused(_source[_next].ToString());
        bool isInterval = _source[_next] == '{';
        int end = isInterval ? _source.IndexOf('}', _next) + 1 : _next + 1;
        string quantifier = _source[_next..end];
        if (quantifier.StartsWith("{,", StringComparison.Ordinal))
            quantifier = "{0" + quantifier[1..];
        char suffix = end < _source.Length ? _source[end] : '\0';
        bool isFixed = isInterval && !quantifier.Contains(',', StringComparison.Ordinal);
        if ((isFixed && suffix is '?') || (isInterval && suffix is '+'))
            throw Refused(_source[_next..(end + 1)]);
        _next = end;
        _result.Append(quantifier);
        if (suffix == '?')
        {
            _result.Append('?');
            _next++;
        }
        else if (suffix == '+')
        {
            _result.Insert(atom, "(?>").Append(')');
            _next++;
        }
    }

    // Returns whether a quantifier can follow.
    private bool ReadEscape()
    {
        char c = Escaped();
        if (c is 'A' or 'z' or 'Z' or 'b' or 'B')
        {
            SeesWords |= c is 'b' or 'B';
            string border = $"(?<=[{Word}])(?![{Word}])|(?<![{Word}])(?=[{Word}])", inside = $"(?<=[{Word}])(?=[{Word}])|(?<![{Word}])(?![{Word}])";
            Write(2, c switch { 'b' => $"(?:{border})", 'B' => $"(?:{inside})", _ => $@"\{c}" });
            return false;
        }
        if (TryReadSet(out string? set))
        {
            _lastLetter = '\0';
            _result.Append(c is 'w' or 'h' ? $"[{set}]" : set);
        }
        else
            WriteLiteral(ReadEscapedCharacter());
        return true;
    }

    private char Escaped() => _next + 1 < _source.Length ? _source[_next + 1] : throw Refused("\\");

    // \s, \d, \w, \p{…} and their complements. The word characters are returned without brackets, their complement with brackets.
    private bool TryReadSet([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out string? set)
    {
        char c = Escaped();
        SeesWords |= c is 'w' or 'W';
        set = c switch
        {
            's' or 'S' or 'd' or 'D' => $@"\{c}",
            'w' => Word,
            'W' => $"[^{Word}]",
            'h' => "0-9a-fA-F",
            'H' => "[^0-9a-fA-F]",
            'p' or 'P' => ReadProperty(),
            _ => null,
        };
        if (set is not null && c is not ('p' or 'P'))
            _next += 2;
        if (set is not null && _ignoresCase && c is not ('s' or 'S' or 'd' or 'D'))
            throw Refused($@"\{c} without regard to case");
        return set is not null;
    }

    private string ReadProperty()
    {
        int end = _source.IndexOf('}', _next);
        if (end < 0 || _source[_next + 2] != '{')
            throw Refused(_source.Substring(_next, 2));
        string name = _source[(_next + 3)..end];
        bool isOpposite = _source[_next + 1] == 'P';
        if (name.StartsWith('^'))
            (name, isOpposite) = (name[1..], !isOpposite);
        if (!Categories.Contains(name))
            throw Refused(_source[_next..(end + 1)]);
        _next = end + 1;
        return isOpposite ? $@"\P{{{name}}}" : $@"\p{{{name}}}";
    }

    private char ReadEscapedCharacter()
    {
        char c = Escaped();
        _next += 2;
        switch (c)
        {
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'f': return '\f';
            case 'v': return '\v';
            case 'a': return '\a';
            case 'e': return '\u001B';
            case 'u': return ReadHex(4, 4);
            case 'x' when _next < _source.Length && _source[_next] == '{':
                int end = _source.IndexOf('}', _next);
                _next++;
                char found = end < 0 ? throw Refused("\\x{") : ReadHex(1, end - _next);
                if (_next != end)
                    throw Refused("\\x{");
                _next++;
                return found;
            case 'x': return ReadHex(1, 2);
            default:
                return char.IsAsciiLetterOrDigit(c) || c > 0x7F ? throw Refused($@"\{c}") : c;
        }
    }

    private char ReadHex(int least, int most)
    {
        int length = 0;
        while (length < most && _next + length < _source.Length && char.IsAsciiHexDigit(_source[_next + length]))
            length++;
        if (length < least || !int.TryParse(_source.AsSpan(_next, length), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            || value > char.MaxValue)
            throw Refused("\\x or \\u with another number");
        _next += length;
        return (char)value;
    }

    private void ReadClass()
    {
        _lastLetter = '\0';
        _next++;
        StringBuilder set = new("[");
        if (_next < _source.Length && _source[_next] == '^')
        {
            set.Append('^');
            _next++;
        }
        int first = _next;
        while (true)
        {
            if (_next >= _source.Length)
                throw Refused("[ without ]");
            char c = _source[_next];
            if (c == ']' && _next > first)
                break;
            if (c is ']' or '[' || (c == '&' && _source.AsSpan(_next).StartsWith("&&")))
                throw Refused($"{c} within [ ]");
            if (c == '\\' && Escaped() == 'b')
                throw Refused(@"\b within [ ]");
            if (c == '\\' && TryReadSet(out string? inner))
            {
                set.Append(inner.StartsWith('[') ? throw Refused(@"\W within [ ]") : inner);
                continue;
            }
            ReadRange(set);
        }
        _next++;
        _result.Append(set).Append(']');
    }

    private void ReadRange(StringBuilder set)
    {
        char start = ReadClassCharacter(), end = start;
        if (_next + 1 < _source.Length && _source[_next] == '-' && _source[_next + 1] != ']')
        {
            _next++;
            if (_source[_next] is '[' or '&' || (_source[_next] == '\\' && Escaped() is 's' or 'S' or 'd' or 'D' or 'w' or 'W' or 'p' or 'P' or 'h' or 'H'))
                throw Refused("a range that ends with a set");
            end = ReadClassCharacter();
        }
        if (end < start)
            throw Refused("a range that ends before it begins");
        AddRange(set, start, end);
        if (!_ignoresCase)
            return;
        if (end > 0x7F)
            throw Refused($"U+{(int)end:X4} without regard to case");
        for (int letter = start; letter <= end; letter++)
        {
            foreach (char other in OtherCases((char)letter))
                AddRange(set, other, other);
        }
    }

    private char ReadClassCharacter()
    {
        if (_source[_next] == '\\')
            return ReadEscapedCharacter();
        return _source[_next++];
    }

    private void AddRange(StringBuilder set, char start, char end)
    {
        // A character outside the Basic Multilingual Plane is two characters here. A range over the surrogates themselves would match nothing.
        if (char.IsSurrogate(start) || char.IsSurrogate(end))
            throw Refused("a character beyond U+FFFF");
        for (int i = start; i <= end; i++)
            _named[i] = true;
        set.Append(Escape(start));
        if (end > start)
            set.Append('-').Append(Escape(end));
    }

    private void WriteLiteral(char c)
    {
        if (char.IsSurrogate(c))
            throw Refused("a character beyond U+FFFF");
        _named[c] = true;
        string others = _ignoresCase ? OtherCases(c) : "";
        if (_ignoresCase && c > 0x7F)
            throw Refused($"U+{(int)c:X4} without regard to case");
        if (others.Length > 0 && Folded.Contains($"{char.ToLowerInvariant(_lastLetter)}{char.ToLowerInvariant(c)}"))
            throw Refused($"{_lastLetter}{c} without regard to case");
        _lastLetter = _ignoresCase ? c : '\0';
        foreach (char other in others)
            _named[other] = true;
        _result.Append(others.Length == 0 ? Escape(c) : $"[{c}{string.Concat(others.Select(Escape))}]");
    }

    // The other characters that match an ASCII letter if case is ignored.
    private static string OtherCases(char c) => c switch
    {
        's' or 'S' => $"{(char)(c ^ 0x20)}\u017F",
        'k' or 'K' => $"{(char)(c ^ 0x20)}\u212A",
        _ => char.IsAsciiLetter(c) ? $"{(char)(c ^ 0x20)}" : "",
    };

    private static string Escape(char c) => c switch
    {
        '\n' => @"\n",
        '\r' => @"\r",
        '\t' => @"\t",
        < ' ' or > '~' => string.Create(CultureInfo.InvariantCulture, $@"\u{(int)c:X4}"),
        '\\' or '[' or ']' or '^' or '-' or '(' or ')' or '{' or '}' or '*' or '+' or '?' or '.' or '|' or '$' or '#' => $@"\{c}",
        _ => c.ToString(),
    };

    private void Take(int count)
    {
        _result.Append(_source, _next, count);
        _next += count;
    }

    private void Write(int count, string text)
    {
        _lastLetter = '\0';
        _result.Append(text);
        _next += count;
    }

    private static NotSupportedException Refused(string part) => new(part);
}
