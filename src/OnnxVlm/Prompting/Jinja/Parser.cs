namespace OnnxVlm.Prompting.Jinja;

/// <summary>Reads the statements of a template. Error messages are worded as in Jinja.</summary>
internal sealed partial class Parser
{
    private readonly List<Token> _tokens;
    private readonly TemplateLimits _limits;
    private readonly HashSet<string> _namesRead = new(StringComparer.Ordinal);
    private readonly Stack<string> _openTags = new();
    private readonly Stack<string[]> _endTags = new();

    // For each enclosing macro, the special names that its body uses.
    private readonly List<HashSet<string>> _macros = [];

    // Unknown filters and tests that Jinja reports before they are used.
    private readonly List<(string Kind, string Name, int Line)> _unknown = [];

    private BlockNames _names = new(null);
    private int _position;
    private int _nesting;
    private int _loops;

    private Parser(List<Token> tokens, TemplateLimits limits)
    {
        _tokens = tokens;
        _limits = limits;
    }

    private Token Current => _tokens[_position];

    /// <summary>Reads a template.</summary>
    /// <param name="source">Its text.</param>
    /// <param name="limits">Its limits of length and nesting.</param>
    /// <exception cref="JinjaException">The text is not a template.</exception>
    public static (Body Body, BlockNames Names, IReadOnlySet<string> NamesRead) Read(string source, TemplateLimits limits)
    {
        if (source.Length > limits.MaxSourceLength)
            throw new JinjaException(JinjaError.Budget, $"the template has {source.Length} characters; at most {limits.MaxSourceLength} are read");
        Parser parser = new(Lexer.Read(source), limits);
        Body body = parser.ParseBody([]);
        if (parser._unknown.Count > 0)
            throw Fail($"No {parser._unknown[0].Kind} named {PythonText.Quote(parser._unknown[0].Name)}.", parser._unknown[0].Line);
        return (body, parser._names, parser._namesRead);
    }

    // Reads up to one of the given tags, which becomes the current token; without any, up to the end.
    private Body ParseBody(string[] endTags)
    {
        Enter();
        if (endTags.Length > 0)
            _endTags.Push(endTags);
        List<Statement> statements = [];
        while (Current.Kind != TokenKind.End)
        {
            Token token = Next();
            if (token.Kind == TokenKind.Data)
            {
                statements.Add(new DataStatement(TemplateText.Own(token.Text)));
            }
            else if (token.Kind == TokenKind.VariableBegin)
            {
                statements.Add(new OutputStatement(ParseTuple()));
                Expect(TokenKind.VariableEnd);
            }
            else
            {
                if (Current.Kind == TokenKind.Name && endTags.Contains(Current.Text))
                    break;
                statements.AddRange(ParseStatement());
                Expect(TokenKind.BlockEnd);
            }
        }
        if (endTags.Length > 0 && Current.Kind == TokenKind.End)
            throw Fail(UnexpectedTag(null));
        if (endTags.Length > 0)
            _endTags.Pop();
        Leave();
        return new Body(statements);
    }

    // Reads the body of a statement: the end of its tag, the contents, and one of the end tags.
    private (Body Body, string EndTag) ParseBlock(params string[] endTags)
    {
        SkipOperator(":");
        Expect(TokenKind.BlockEnd);
        Body body = ParseBody(endTags);
        return (body, Next().Text);
    }

    // The same, for a block with names of its own.
    private (Body Body, BlockNames Names, string EndTag) ParseScope(Action<BlockNames> declare, params string[] endTags)
    {
        BlockNames outer = _names;
        _names = new BlockNames(outer);
        declare(_names);
        (Body body, string endTag) = ParseBlock(endTags);
        (BlockNames names, _names) = (_names, outer);
        return (body, names, endTag);
    }

    private IEnumerable<Statement> ParseStatement()
    {
        Token token = Current;
        if (token.Kind != TokenKind.Name)
            throw Fail("tag name expected");
        _openTags.Push(token.Text);
        IEnumerable<Statement> statements = token.Text switch
        {
            "for" => [ParseFor()],
            "if" => [ParseIf()],
            "set" => [ParseSet()],
            "macro" => [ParseMacro()],
            "call" => [ParseCallBlock()],
            "filter" => [ParseFilterBlock()],
            "with" => [ParseWith()],
            "generation" => [ParseGeneration()],
            "print" => ParsePrint(),
            "break" or "continue" => [ParseFlow()],
            "block" or "extends" or "include" or "import" or "from" or "autoescape" => throw Fail(
                $"the tag '{token.Text}' is not implemented, since a chat template stands alone"),
            _ => throw FailAtUnknownTag(),
        };
        _openTags.Pop();
        return statements;
    }

    private IfStatement ParseIf()
    {
        List<(Expression, Body)> branches = [];
        string tag = Next().Text;
        Body otherwise = Body.Empty;
        while (tag is "if" or "elif")
        {
            _names.Conditions++;
            Expression test = ParseTuple(withConditional: false);
            (Body body, tag) = ParseBlock("elif", "else", "endif");
            branches.Add((test, body));
            _names.Conditions--;
        }
        if (tag == "else")
        {
            _names.Conditions++;
            (otherwise, _) = ParseBlock("endif");
            _names.Conditions--;
        }
        return new IfStatement(branches, otherwise);
    }

    private ForStatement ParseFor()
    {
        int line = Next().Line;
        Target target = ParseTarget(withNamespaces: false, endName: "in");
        if (target.Names.Contains("loop"))
            throw Fail("Can't assign to special loop variable in for-loop target", line);
        ExpectName("in");
        Expression iterable = ParseTuple(withConditional: false, endName: "recursive");
        BlockNames testNames = new(_names);
        Expression? test = null;
        if (SkipName("if"))
        {
            BlockNames outer = _names;
            _names = testNames;
            Declare(testNames, target.Names);
            test = ParseExpression();
            _names = outer;
        }
        bool isRecursive = SkipName("recursive");
        _loops++;
        (Body body, BlockNames bodyNames, string endTag) = ParseScope(names => Declare(names, ["loop", .. target.Names]), "endfor", "else");
        _loops--;
        (Body otherwise, BlockNames elseNames) = (Body.Empty, bodyNames);
        if (endTag == "else")
            (otherwise, elseNames, _) = ParseScope(_ => { }, "endfor");
        return new ForStatement(target, iterable, test, isRecursive, body, otherwise, bodyNames, testNames, elseNames);
    }

    private Statement ParseSet()
    {
        int line = Next().Line;
        Target target = ParseTarget(withNamespaces: true, endName: null);
        if (_loops > 0 && target.Names.Contains("loop"))
            throw Fail("Can't assign to special loop variable in for-loop target", line);
        if (SkipOperator("="))
        {
            Expression value = ParseTuple();
            Assign(target);
            return new SetStatement(target, value);
        }
        Expression? filter = ParseFilters(null);
        Assign(target);
        (Body body, BlockNames names, _) = ParseScope(_ => { }, "endset");
        return new SetBlockStatement(target, (FilterExpression?)filter, body, names);
    }

    private FilterBlockStatement ParseFilterBlock()
    {
        Next();
        Expression filter = ParseFilters(null, startsInline: true)!;
        (Body body, BlockNames names, _) = ParseScope(_ => { }, "endfilter");
        return new FilterBlockStatement((FilterExpression)filter, body, names);
    }

    private WithStatement ParseWith()
    {
        Next();
        List<(Target Target, Expression Value)> assignments = [];
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (assignments.Count > 0)
                ExpectOperator(",");
            Target target = ParseTarget(withNamespaces: false, endName: null);
            ExpectOperator("=");
            assignments.Add((target, ParseExpression()));
        }
        (Body body, BlockNames names, _) = ParseScope(names => Declare(names, assignments.SelectMany(assignment => assignment.Target.Names)), "endwith");
        return new WithStatement(assignments, body, names);
    }

    private GenerationStatement ParseGeneration()
    {
        Next();
        (Body body, BlockNames names, _) = ParseScope(_ => { }, "endgeneration");
        return new GenerationStatement(body, names);
    }

    private MacroStatement ParseMacro()
    {
        Next();
        string name = ExpectName();
        _names.Assign(name);
        return new MacroStatement(ParseMacroBody(name, "endmacro", hasSignature: true, out _));
    }

    private CallBlockStatement ParseCallBlock()
    {
        int line = Next().Line;
        bool hasSignature = IsOperator("(");
        MacroDefinition caller = ParseMacroBody("", "endcall", hasSignature, out Expression? call);
        return new CallBlockStatement(call as CallExpression ?? throw Fail("expected call", line), caller);
    }

    // Reads parameters with defaults, for a call block also the call, and the body.
    private MacroDefinition ParseMacroBody(string name, string endTag, bool hasSignature, out Expression? call)
    {
        List<string> parameters = [];
        List<Expression> defaults = [];
        BlockNames outer = _names;
        BlockNames names = new(outer);
        int loops = _loops;
        (_names, _loops) = (names, 0);
        if (hasSignature)
            ParseSignature(parameters, defaults, names);
        _names = outer;
        call = null;
        if (endTag == "endcall")
            call = ParseExpression();
        _names = names;
        HashSet<string> special = new(StringComparer.Ordinal);
        _macros.Add(special);
        (Body body, _) = ParseBlock(endTag);
        _macros.RemoveAt(_macros.Count - 1);
        (_names, _loops) = (outer, loops);
        int withoutDefault = parameters.IndexOf("caller");
        if (special.Contains("caller") && withoutDefault >= 0 && withoutDefault < parameters.Count - defaults.Count)
            throw Fail("When defining macros or call blocks the special \"caller\" argument must be omitted or be given a default.");
        return new MacroDefinition(name, parameters, defaults, body, names)
        {
            UsesCaller = special.Contains("caller"),
            UsesNamedRest = special.Contains("kwargs") && !parameters.Contains("kwargs"),
            UsesRest = special.Contains("varargs") && !parameters.Contains("varargs"),
        };
    }

    private void ParseSignature(List<string> parameters, List<Expression> defaults, BlockNames names)
    {
        ExpectOperator("(");
        while (!IsOperator(")"))
        {
            if (parameters.Count > 0)
                ExpectOperator(",");
            string parameter = ExpectName();
            names.Declare(parameter);
            parameters.Add(parameter);
            if (SkipOperator("="))
                defaults.Add(ParseExpression());
            else if (defaults.Count > 0)
                throw Fail("non-default argument follows default argument");
        }
        ExpectOperator(")");
    }

    private List<Statement> ParsePrint()
    {
        Next();
        List<Statement> outputs = [];
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (outputs.Count > 0)
                ExpectOperator(",");
            outputs.Add(new OutputStatement(ParseExpression()));
        }
        return outputs;
    }

    private FlowStatement ParseFlow()
    {
        string tag = Next().Text;
        if (_loops == 0)
            throw Fail(tag == "break" ? "'break' outside loop" : "'continue' not properly in loop");
        return new FlowStatement(tag == "break" ? Flow.Break : Flow.Continue);
    }

    private static void Declare(BlockNames names, IEnumerable<string> declared)
    {
        foreach (string name in declared)
            names.Declare(name);
    }

    private void Assign(Target target)
    {
        foreach (string name in target.Names)
            _names.Assign(name);
    }

    private JinjaException FailAtUnknownTag()
    {
        string name = _openTags.Pop();
        return Fail(UnexpectedTag(name));
    }

    private string UnexpectedTag(string? name)
    {
        string message = name is null ? "Unexpected end of template." : $"Encountered unknown tag {PythonText.Quote(name)}.";
        if (_endTags.TryPeek(out string[]? expected))
        {
            string looking = string.Join(" or ", expected.Select(PythonText.Quote));
            message += name is not null && _endTags.Any(tags => tags.Contains(name))
                ? $" You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for {looking}."
                : $" Jinja was looking for the following tags: {looking}.";
        }
        return _openTags.TryPeek(out string? innermost) ? $"{message} The innermost block that needs to be closed is {PythonText.Quote(innermost)}." : message;
    }
}
