namespace OnnxVlm.Prompting.Jinja;

/// <summary>Moves along the tokens.</summary>
internal sealed partial class Parser
{
    private Token Next()
    {
        Token token = Current;
        if (token.Kind != TokenKind.End)
            _position++;
        return token;
    }

    private bool IsOperator(string symbol) => Current.Kind == TokenKind.Operator && Current.Text == symbol;

    private bool IsName(string name) => Current.Kind == TokenKind.Name && Current.Text == name;

    private bool SkipOperator(string symbol)
    {
        bool isThere = IsOperator(symbol);
        _position += isThere ? 1 : 0;
        return isThere;
    }

    private bool SkipName(string name)
    {
        bool isThere = IsName(name);
        _position += isThere ? 1 : 0;
        return isThere;
    }

    private void Expect(TokenKind kind)
    {
        if (Current.Kind != kind)
            throw FailExpecting(kind == TokenKind.VariableEnd ? "end of print statement" : "end of statement block");
        _position++;
    }

    private void ExpectOperator(string symbol)
    {
        if (!SkipOperator(symbol))
            throw FailExpecting(symbol);
    }

    private void ExpectName(string name)
    {
        if (!SkipName(name))
            throw FailExpecting(name);
    }

    private string ExpectName() => Current.Kind == TokenKind.Name ? Next().Text : throw FailExpecting("name");

    private JinjaException FailExpecting(string expected) => Current.Kind == TokenKind.End
        ? Fail($"unexpected end of template, expected {PythonText.Quote(expected)}.")
        : Fail($"expected token {PythonText.Quote(expected)}, got {PythonText.Quote(Describe(Current))}");

    private static string Describe(Token token) => token.Kind switch
    {
        TokenKind.Data => "template data / text",
        TokenKind.VariableBegin => "begin of print statement",
        TokenKind.VariableEnd => "end of print statement",
        TokenKind.BlockBegin => "begin of statement block",
        TokenKind.BlockEnd => "end of statement block",
        TokenKind.String => "string",
        TokenKind.Integer => "integer",
        TokenKind.Float => "float",
        TokenKind.End => "end of template",
        _ => token.Text,
    };

    private void Enter()
    {
        if (++_nesting > _limits.MaxNesting)
            throw new JinjaException(JinjaError.Budget, $"the template's source nests more than {_limits.MaxNesting} deep (line {Current.Line})");
        TemplateBudget.EnsureStack();
    }

    private void Leave() => _nesting--;

    // Operators in a row are read in a loop, but their evaluation is nested.
    private void CountLink(ref int links)
    {
        if (++links > _limits.MaxChain)
            throw new JinjaException(JinjaError.Budget, $"the template's source chains more than {_limits.MaxChain} operators (line {Current.Line})");
    }

    private JinjaException Fail(string message) => Fail(message, Current.Line);

    private static JinjaException Fail(string message, int line) => new(JinjaError.Syntax, $"{message} (line {line})");
}
