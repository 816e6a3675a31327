using System.Globalization;
using System.Numerics;
using System.Text;

namespace OnnxVlm.Prompting.Jinja;

internal enum TokenKind
{
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}

/// <summary>A piece of a template.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Data, a name, the value of a string, or an operator.</param>
/// <param name="Line">Its line, from 1.</param>
/// <param name="Number">The value of a number: BigInteger or double.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int Line, object? Number = null);

/// <summary>
/// Splits a template into tokens, with Hugging Face's settings: trim_blocks removes a line break after a block tag, lstrip_blocks removes blanks
/// before a tag that begins a line, and one line break at the end of the template is removed.
/// </summary>
internal sealed class Lexer
{
    private static readonly string[] Operators =
        ["//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"];

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private readonly Stack<char> _brackets = new();
    private int _position;
    private int _line = 1;

    private Lexer(string source)
    {
        _source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (_source.EndsWith('\n'))
            _source = _source[..^1];
    }

    /// <summary>Splits a template.</summary>
    /// <exception cref="JinjaException">The text is not a template.</exception>
    public static List<Token> Read(string source)
    {
        Lexer lexer = new(source);
        lexer.ReadTemplate();
        return lexer._tokens;
    }

    /// <summary>Whether a text is a name: letters, digits and underscores, not beginning with a digit.</summary>
    public static bool IsIdentifier(string text)
    {
        bool isFirst = true;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool starts = rune.Value == '_' || Rune.IsLetter(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.LetterNumber;
            if (!starts && (isFirst || !IsNameRune(rune)))
                return false;
            isFirst = false;
        }
        return !isFirst;
    }

    private void ReadTemplate()
    {
        // Whether the preceding text ended a line, so that blanks here begin one.
        bool startsLine = true;
        while (_position < _source.Length)
        {
            int tag = FindTag();
            if (tag == _source.Length)
            {
                Add(TokenKind.Data, _source[_position..]);
                break;
            }
            char kind = _source[tag + 1];
            int inside = tag + 2;
            char sign = inside < _source.Length && _source[inside] is '-' or '+' ? _source[inside++] : '\0';
            int rawEnd = kind == '%' ? MatchRaw(inside) : -1;
            AddData(_source[_position..tag], sign, strips: kind != '{', startsLine);
            MoveTo(inside);
            if (rawEnd >= 0)
            {
                MoveTo(rawEnd);
                ReadRaw();
            }
            else if (kind == '#')
            {
                ReadComment();
            }
            else
            {
                ReadTag(isBlock: kind == '%');
            }
            startsLine = _position > 0 && _source[_position - 1] == '\n';
        }
        _tokens.Add(new Token(TokenKind.End, "", _line));
    }

    private int FindTag()
    {
        for (int i = _source.IndexOf('{', _position); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
        {
            if (_source[i + 1] is '{' or '%' or '#')
                return i;
        }
        return _source.Length;
    }

    private void AddData(string data, char sign, bool strips, bool startsLine)
    {
        if (sign == '-')
        {
            int end = data.Length;
            while (end > 0 && PythonText.IsSpace(data[end - 1]))
                end--;
            data = data[..end];
        }
        else if (sign != '+' && strips)
        {
            int line = data.LastIndexOf('\n') + 1;
            if ((line > 0 || startsLine) && line < data.Length && data.AsSpan(line).ToString().All(PythonText.IsSpace))
                data = data[..line];
        }
        if (data.Length > 0)
            Add(TokenKind.Data, data);
    }

    // The end of a tag that begins raw text, if there is one here: raw, and the end of the block.
    private int MatchRaw(int position)
    {
        int at = SkipSpace(position);
        if (!Matches(at, "raw"))
            return -1;
        at = SkipSpace(at + 3);
        return Matches(at, "-%}") ? SkipSpace(at + 3) : Matches(at, "%}") ? at + 2 : -1;
    }

    private void ReadRaw()
    {
        bool startsLine = _position > 0 && _source[_position - 1] == '\n';
        for (int tag = _source.IndexOf("{%", _position, StringComparison.Ordinal); tag >= 0; tag = _source.IndexOf("{%", tag + 1, StringComparison.Ordinal))
        {
            int at = tag + 2;
            char sign = at < _source.Length && _source[at] is '-' or '+' ? _source[at++] : '\0';
            at = SkipSpace(at);
            if (!Matches(at, "endraw"))
                continue;
            int end = MatchEnd(SkipSpace(at + 6), "%}", trims: true);
            if (end < 0)
                continue;
            AddData(_source[_position..tag], sign, strips: true, startsLine);
            MoveTo(end);
            return;
        }
        throw Fail("Missing end of raw directive");
    }

    private void ReadComment()
    {
        int close = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (close < 0)
            throw Fail("Missing end of comment tag");
        bool strips = close > _position && _source[close - 1] == '-', keeps = close > _position && _source[close - 1] == '+';
        int end = close + 2;
        MoveTo(strips ? SkipSpace(end) : !keeps && Matches(end, "\n") ? end + 1 : end);
    }

    // The end of a block: -%} removes the white space after it, %} one line break, +%} nothing.
    private int MatchEnd(int position, string mark, bool trims)
    {
        if (Matches(position, "-" + mark))
            return SkipSpace(position + 1 + mark.Length);
        if (trims && Matches(position, "+" + mark))
            return position + 1 + mark.Length;
        if (!Matches(position, mark))
            return -1;
        int end = position + mark.Length;
        return trims && Matches(end, "\n") ? end + 1 : end;
    }

    private void ReadTag(bool isBlock)
    {
        Add(isBlock ? TokenKind.BlockBegin : TokenKind.VariableBegin, "");
        _brackets.Clear();
        while (true)
        {
            MoveTo(SkipSpace(_position));
            int end = _brackets.Count == 0 ? MatchEnd(_position, isBlock ? "%}" : "}}", trims: isBlock) : -1;
            if (end >= 0)
            {
                Add(isBlock ? TokenKind.BlockEnd : TokenKind.VariableEnd, "");
                MoveTo(end);
                return;
            }
            if (_position >= _source.Length)
                return;
            ReadToken();
        }
    }

    private void ReadToken()
    {
        char c = _source[_position];
        if (char.IsAsciiDigit(c))
        {
            ReadNumber();
        }
        else if (c is '\'' or '"')
        {
            ReadString(c);
        }
        else if (Rune.TryGetRuneAt(_source, _position, out Rune rune) && (IsNameRune(rune) || rune.Value == '_'))
        {
            int end = _position;
            while (Rune.TryGetRuneAt(_source, Math.Min(end, _source.Length - 1), out rune) && end < _source.Length && (IsNameRune(rune) || rune.Value == '_'))
                end += rune.Utf16SequenceLength;
            string name = _source[_position..end];
            if (!IsIdentifier(name))
                throw Fail("Invalid character in identifier");
            Add(TokenKind.Name, name);
            MoveTo(end);
        }
        else
        {
            ReadOperator();
        }
    }

    private void ReadOperator()
    {
        string symbol = Array.Find(Operators, candidate => Matches(_position, candidate))
            ?? throw Fail($"unexpected char {PythonText.Quote(_source[_position].ToString())} at {_position}");
        switch (symbol[0])
        {
            case '(' or '[' or '{':
                _brackets.Push(symbol[0] switch { '(' => ')', '[' => ']', _ => '}' });
                break;
            case ')' or ']' or '}':
                if (_brackets.Count == 0)
                    throw Fail($"unexpected '{symbol}'");
                char expected = _brackets.Pop();
                if (expected != symbol[0])
                    throw Fail($"unexpected '{symbol}', expected '{expected}'");
                break;
        }
        Add(TokenKind.Operator, symbol);
        MoveTo(_position + symbol.Length);
    }

    private void ReadNumber()
    {
        int start = _position, end = Digits(start, 10);
        // A number after a dot is an index, as in a.0.1.
        bool canBeFloat = start == 0 || _source[start - 1] != '.';
        int fraction = canBeFloat && end < _source.Length && _source[end] == '.' && Digits(end + 1, 10) > end + 1 ? Digits(end + 1, 10) : end;
        int sign = fraction + 1 < _source.Length && _source[fraction] is 'e' or 'E'
            ? fraction + 1 + (_source[fraction + 1] is '+' or '-' ? 1 : 0)
            : _source.Length;
        int exponent = canBeFloat && Digits(sign, 10) > sign ? Digits(sign, 10) : fraction;
        if (exponent > end)
        {
            string digits = _source[start..exponent].Replace("_", "", StringComparison.Ordinal);
            _tokens.Add(new Token(TokenKind.Float, digits, _line, double.Parse(digits, CultureInfo.InvariantCulture)));
            MoveTo(exponent);
            return;
        }
        int radix = end == start + 1 && _source[start] == '0' && end < _source.Length
            ? _source[end] switch { 'b' or 'B' => 2, 'o' or 'O' => 8, 'x' or 'X' => 16, _ => 10 }
            : 10;
        int last = radix == 10 ? end : Digits(end + 1, radix);
        if (radix != 10 && last == end + 1)
            (radix, last) = (10, end);
        // Only zero itself may begin with zeros.
        if (radix == 10 && _source[start] == '0')
        {
            last = start;
            while (last < end && _source[last] is '0' or '_')
                last++;
        }
        string text = _source[start..last].Replace("_", "", StringComparison.Ordinal);
        BigInteger number = PythonNumbers.TryReadInteger(text, radix == 10 ? 10 : 0) ?? throw Fail("the number has too many digits");
        _tokens.Add(new Token(TokenKind.Integer, text, _line, number));
        MoveTo(last);
    }

    // The end of digits with single underscores between them.
    private int Digits(int start, int radix)
    {
        int end = start;
        while (end < _source.Length
            && (IsDigit(_source[end]) || (_source[end] == '_' && (end > start || radix != 10) && end + 1 < _source.Length && IsDigit(_source[end + 1]))))
            end++;
        return end;

        bool IsDigit(char c) => radix == 16 ? char.IsAsciiHexDigit(c) : c >= '0' && c < '0' + radix;
    }

    private void ReadString(char quote)
    {
        int end = _position + 1;
        while (end < _source.Length && _source[end] != quote)
            end += _source[end] == '\\' ? 2 : 1;
        if (end >= _source.Length)
            throw Fail($"unexpected char {PythonText.Quote(quote.ToString())} at {_position}");
        Add(TokenKind.String, StringLiteral.Unescape(_source[(_position + 1)..end]) ?? throw Fail("a string has an escape that is not complete"));
        MoveTo(end + 1);
    }

    private static bool IsNameRune(Rune rune) =>
        Rune.IsLetterOrDigit(rune) || rune.Value == '·' || Rune.GetUnicodeCategory(rune) is UnicodeCategory.LetterNumber or UnicodeCategory.NonSpacingMark
        or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.ConnectorPunctuation;

    private bool Matches(int position, string text) => string.CompareOrdinal(_source, position, text, 0, text.Length) == 0;

    private int SkipSpace(int position)
    {
        while (position < _source.Length && PythonText.IsSpace(_source[position]))
            position++;
        return position;
    }

    private void Add(TokenKind kind, string text) => _tokens.Add(new Token(kind, text, _line));

    private void MoveTo(int position)
    {
        _line += _source.AsSpan(_position, position - _position).Count('\n');
        _position = position;
    }

    private JinjaException Fail(string message) => new(JinjaError.Syntax, $"{message} (line {_line})");
}
