namespace OnnxVlm.Prompting.Jinja;

/// <summary>Reads expressions: from the loosest operator to the tightest, one method each.</summary>
internal sealed partial class Parser
{
    // One expression, or several separated by commas, which form a tuple.
    private Expression ParseTuple(bool withConditional = true, string? endName = null, bool inParentheses = false)
    {
        List<Expression> items = [];
        bool isTuple = false;
        while (true)
        {
            if (items.Count > 0)
                ExpectOperator(",");
            if (IsTupleEnd(endName))
                break;
            items.Add(ParseExpression(withConditional));
            if (!IsOperator(","))
                break;
            isTuple = true;
        }
        if (isTuple || (items.Count == 0 && inParentheses))
            return new TupleExpression(items);
        return items.Count == 1 ? items[0] : throw Fail($"Expected an expression, got {PythonText.Quote(Describe(Current))}");
    }

    private bool IsTupleEnd(string? endName) =>
        Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd || IsOperator(")") || (endName is not null && IsName(endName));

    private Target ParseTarget(bool withNamespaces, string? endName)
    {
        List<Target> targets = [];
        bool isTuple = false;
        while (true)
        {
            if (targets.Count > 0)
                ExpectOperator(",");
            if (IsTupleEnd(endName))
                break;
            targets.Add(ParseOneTarget(withNamespaces));
            if (!IsOperator(","))
                break;
            isTuple = true;
        }
        if (isTuple)
            return new TupleTarget(targets);
        return targets.Count == 1 ? targets[0] : throw Fail($"Expected an expression, got {PythonText.Quote(Describe(Current))}");
    }

    private Target ParseOneTarget(bool withNamespaces)
    {
        if (SkipOperator("("))
        {
            Enter();
            Target inner = ParseTarget(withNamespaces: false, endName: null);
            ExpectOperator(")");
            Leave();
            return inner;
        }
        if (Current.Kind != TokenKind.Name)
            throw Fail(Current.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float
                ? "can't assign to 'const'"
                : $"unexpected {PythonText.Quote(Describe(Current))}");
        string name = Next().Text;
        if (name is "true" or "false" or "none" or "True" or "False" or "None")
            throw Fail("can't assign to 'const'");
        if (!withNamespaces || !SkipOperator("."))
            return new NameTarget(name);
        ReadName(name);
        return new NamespaceTarget(new NameExpression(name), TemplateText.Own(ExpectName()));
    }

    private Expression ParseExpression(bool withConditional = true)
    {
        Enter();
        Expression expression = withConditional ? ParseConditional() : ParseOr();
        Leave();
        return expression;
    }

    private Expression ParseConditional()
    {
        int line = Current.Line, unknown = _unknown.Count;
        Expression expression = ParseOr();
        for (int links = 0; SkipName("if"); CountLink(ref links))
        {
            Expression test = ParseOr();
            Expression? otherwise = SkipName("else") ? ParseExpression() : null;
            expression = new ConditionalExpression(test, expression, otherwise, line);
            line = Current.Line;
            // An unknown filter or test is an error here only when it is used.
            _unknown.RemoveRange(unknown, _unknown.Count - unknown);
        }
        return expression;
    }

    private Expression ParseOr()
    {
        Expression left = ParseAnd();
        for (int links = 0; SkipName("or"); CountLink(ref links))
            left = new LogicalExpression(IsAnd: false, left, ParseAnd());
        return left;
    }

    private Expression ParseAnd()
    {
        Expression left = ParseNot();
        for (int links = 0; SkipName("and"); CountLink(ref links))
            left = new LogicalExpression(IsAnd: true, left, ParseNot());
        return left;
    }

    private Expression ParseNot()
    {
        if (!SkipName("not"))
            return ParseComparison();
        Enter();
        Expression operand = ParseNot();
        Leave();
        return new NotExpression(operand);
    }

    private Expression ParseComparison()
    {
        Expression first = ParseSum();
        List<(string, Expression)> rest = [];
        while (true)
        {
            if (Current.Kind == TokenKind.Operator && Current.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
                rest.Add((Next().Text, ParseSum()));
            else if (SkipName("in"))
                rest.Add(("in", ParseSum()));
            else if (IsName("not") && _tokens[_position + 1] is { Kind: TokenKind.Name, Text: "in" })
            {
                _position += 2;
                rest.Add(("not in", ParseSum()));
            }
            else
                return rest.Count == 0 ? first : new ComparisonExpression(first, rest);
        }
    }

    private Expression ParseSum()
    {
        Expression left = ParseConcatenation();
        for (int links = 0; IsOperator("+") || IsOperator("-"); CountLink(ref links))
            left = new BinaryExpression(Next().Text, left, ParseConcatenation());
        return left;
    }

    private Expression ParseConcatenation()
    {
        List<Expression> operands = [ParseProduct()];
        while (SkipOperator("~"))
            operands.Add(ParseProduct());
        return operands.Count == 1 ? operands[0] : new ConcatenationExpression(operands);
    }

    private Expression ParseProduct()
    {
        Expression left = ParsePower();
        for (int links = 0; IsOperator("*") || IsOperator("/") || IsOperator("//") || IsOperator("%"); CountLink(ref links))
            left = new BinaryExpression(Next().Text, left, ParsePower());
        return left;
    }

    private Expression ParsePower()
    {
        Expression left = ParseUnary(withFilters: true);
        for (int links = 0; SkipOperator("**"); CountLink(ref links))
            left = new BinaryExpression("**", left, ParseUnary(withFilters: true));
        return left;
    }

    private Expression ParseUnary(bool withFilters)
    {
        Expression expression;
        if (IsOperator("-") || IsOperator("+"))
        {
            Enter();
            expression = new UnaryExpression(Next().Text, ParseUnary(withFilters: false));
            Leave();
        }
        else
        {
            expression = ParsePrimary();
        }
        expression = ParsePostfix(expression);
        return withFilters ? ParseFiltersAndTests(expression) : expression;
    }

    private Expression ParsePrimary()
    {
        Token token = Next();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new Constant(true),
                    "false" or "False" => new Constant(false),
                    "none" or "None" => new Constant(NoneValue.Instance),
                    _ => ReadName(token.Text),
                };
            case TokenKind.String:
                string text = token.Text;
                while (Current.Kind == TokenKind.String)
                    text += Next().Text;
                return new Constant(TemplateText.Own(text));
            case TokenKind.Integer or TokenKind.Float:
                return new Constant(token.Number!);
            case TokenKind.Operator when token.Text == "(":
                Expression inner = ParseTuple(inParentheses: true);
                ExpectOperator(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return new ListExpression(ParseItems("]", () => ParseExpression()));
            case TokenKind.Operator when token.Text == "{":
                return new DictExpression(ParseItems("}", () =>
                {
                    Expression key = ParseExpression();
                    ExpectOperator(":");
                    return (key, ParseExpression());
                }));
            default:
                throw Fail($"unexpected {PythonText.Quote(Describe(token))}", token.Line);
        }
    }

    private List<T> ParseItems<T>(string close, Func<T> parse)
    {
        List<T> items = [];
        while (!IsOperator(close))
        {
            if (items.Count > 0)
                ExpectOperator(",");
            if (IsOperator(close))
                break;
            items.Add(parse());
        }
        ExpectOperator(close);
        return items;
    }

    private Expression ParsePostfix(Expression expression)
    {
        for (int links = 0; ; CountLink(ref links))
        {
            if (SkipOperator("."))
                expression = ParseAttribute(expression);
            else if (SkipOperator("["))
                expression = ParseSubscript(expression);
            else if (IsOperator("("))
                expression = new CallExpression(expression, ParseArguments());
            else
                return expression;
        }
    }

    private Expression ParseAttribute(Expression owner)
    {
        Token token = Next();
        return token.Kind switch
        {
            TokenKind.Name => new AttributeExpression(owner, TemplateText.Own(token.Text)),
            TokenKind.Integer => new ElementExpression(owner, new Constant(token.Number!)),
            _ => throw Fail("expected name or number", token.Line),
        };
    }

    private ElementExpression ParseSubscript(Expression owner)
    {
        List<Expression> keys = [];
        while (!IsOperator("]"))
        {
            if (keys.Count > 0)
                ExpectOperator(",");
            keys.Add(ParseKey());
        }
        ExpectOperator("]");
        return new ElementExpression(owner, keys.Count == 1 ? keys[0] : new TupleExpression(keys));
    }

    private Expression ParseKey()
    {
        Expression? start = null;
        if (!IsOperator(":"))
        {
            start = ParseExpression();
            if (!IsOperator(":"))
                return start;
        }
        ExpectOperator(":");
        Expression? stop = IsOperator(":") || IsOperator("]") || IsOperator(",") ? null : ParseExpression();
        Expression? step = SkipOperator(":") && !IsOperator("]") && !IsOperator(",") ? ParseExpression() : null;
        return new SliceExpression(start, stop, step);
    }

    private ArgumentList ParseArguments()
    {
        int line = Current.Line;
        ExpectOperator("(");
        List<Expression> positional = [];
        List<(string, Expression)> named = [];
        Expression? rest = null, namedRest = null;
        for (bool isFirst = true; !IsOperator(")"); isFirst = false)
        {
            if (!isFirst)
            {
                ExpectOperator(",");
                if (IsOperator(")"))
                    break;
            }
            if (SkipOperator("*"))
            {
                Ensure(rest is null && namedRest is null);
                rest = ParseExpression();
            }
            else if (SkipOperator("**"))
            {
                Ensure(namedRest is null);
                namedRest = ParseExpression();
            }
            else if (Current.Kind == TokenKind.Name && _tokens[_position + 1] is { Kind: TokenKind.Operator, Text: "=" })
            {
                Ensure(namedRest is null);
                string name = Next().Text;
                Next();
                named.Add((name, ParseExpression()));
            }
            else
            {
                Ensure(rest is null && namedRest is null && named.Count == 0);
                positional.Add(ParseExpression());
            }
        }
        ExpectOperator(")");
        return positional.Count == 0 && named.Count == 0 && rest is null && namedRest is null
            ? ArgumentList.None
            : new ArgumentList(positional, named, rest, namedRest);

        void Ensure(bool holds)
        {
            if (!holds)
                throw Fail("invalid syntax for function call expression", line);
        }
    }

    private Expression ParseFiltersAndTests(Expression expression)
    {
        for (int links = 0; ; CountLink(ref links))
        {
            if (IsOperator("|"))
                expression = ParseFilters(expression)!;
            else if (IsName("is"))
                expression = ParseTest(expression);
            else if (IsOperator("("))
                expression = new CallExpression(expression, ParseArguments());
            else
                return expression;
        }
    }

    private Expression? ParseFilters(Expression? expression, bool startsInline = false)
    {
        for (int links = 0; startsInline || SkipOperator("|"); CountLink(ref links))
        {
            startsInline = false;
            string name = ParseDottedName("filter", Filters.Has);
            expression = new FilterExpression(expression, name, IsOperator("(") ? ParseArguments() : ArgumentList.None);
        }
        return expression;
    }

    private Expression ParseTest(Expression operand)
    {
        Next();
        bool isNegated = SkipName("not");
        string name = ParseDottedName("test", Tests.Has);
        ArgumentList arguments = ArgumentList.None;
        if (IsOperator("("))
        {
            arguments = ParseArguments();
        }
        else if (Current.Kind is TokenKind.Name or TokenKind.String or TokenKind.Integer or TokenKind.Float || IsOperator("[") || IsOperator("{"))
        {
            if (IsName("is"))
                throw Fail("You cannot chain multiple tests with is");
            if (!IsName("else") && !IsName("or") && !IsName("and"))
                arguments = new ArgumentList([ParsePostfix(ParsePrimary())], [], null, null);
        }
        Expression test = new TestExpression(operand, name, arguments);
        return isNegated ? new NotExpression(test) : test;
    }

    private string ParseDottedName(string kind, Func<string, bool> exists)
    {
        int line = Current.Line;
        string name = ExpectName();
        while (SkipOperator("."))
            name += "." + ExpectName();
        if (!exists(name) && _names.Conditions == 0)
            _unknown.Add((kind, name, line));
        return name;
    }

    private NameExpression ReadName(string name)
    {
        _names.Read(name);
        _namesRead.Add(name);
        if (name is "caller" or "kwargs" or "varargs")
            _macros.ForEach(macro => macro.Add(name));
        return new NameExpression(name);
    }
}
