namespace OnnxVlm.Prompting.Jinja;

/// <summary>An expression of a template.</summary>
internal abstract record Expression
{
    /// <summary>Computes the value; counts as a step of the budget.</summary>
    public object Evaluate(Frame frame)
    {
        frame.Run.Budget.UseSteps();
        TemplateBudget.EnsureStack();
        return Compute(frame);
    }

    protected abstract object Compute(Frame frame);
}

internal sealed record Constant(object Value) : Expression
{
    protected override object Compute(Frame frame) => Value;
}

internal sealed record NameExpression(string Name) : Expression
{
    protected override object Compute(Frame frame) => frame.Scope.Find(Name) ?? frame.Run.Variable(Name);
}

internal sealed record TupleExpression(IReadOnlyList<Expression> Items) : Expression
{
    protected override object Compute(Frame frame) => new TupleValue([.. Items.Select(item => item.Evaluate(frame))]);
}

internal sealed record ListExpression(IReadOnlyList<Expression> Items) : Expression
{
    protected override object Compute(Frame frame) => new ListValue([.. Items.Select(item => item.Evaluate(frame))]);
}

internal sealed record DictExpression(IReadOnlyList<(Expression Key, Expression Value)> Entries) : Expression
{
    protected override object Compute(Frame frame)
    {
        DictValue dict = new(new KeyComparer(frame.Run.Budget));
        foreach ((Expression key, Expression value) in Entries)
            dict.Set(key.Evaluate(frame), value.Evaluate(frame));
        return dict;
    }
}

/// <summary><c>a.b</c></summary>
internal sealed record AttributeExpression(Expression Owner, TemplateText Name) : Expression
{
    protected override object Compute(Frame frame) => PythonMembers.Attribute(Owner.Evaluate(frame), Name, frame.Run);
}

/// <summary><c>a[b]</c></summary>
internal sealed record ElementExpression(Expression Owner, Expression Key) : Expression
{
    protected override object Compute(Frame frame)
    {
        object owner = Owner.Evaluate(frame), key = Key.Evaluate(frame);
        return key is SliceValue slice ? PythonMembers.Slice(owner, slice, frame.Run) : PythonMembers.Element(owner, key, frame.Run);
    }
}

/// <summary>The contents of the brackets in <c>a[b:c:d]</c>.</summary>
internal sealed record SliceExpression(Expression? Start, Expression? Stop, Expression? Step) : Expression
{
    protected override object Compute(Frame frame) => new SliceValue(Bound(Start, frame), Bound(Stop, frame), Bound(Step, frame));

    private static object Bound(Expression? bound, Frame frame) => bound?.Evaluate(frame) ?? NoneValue.Instance;
}

internal sealed record ConditionalExpression(Expression Test, Expression Then, Expression? Else, int Line) : Expression
{
    protected override object Compute(Frame frame) =>
        PythonType.IsTrue(Test.Evaluate(frame)) ? Then.Evaluate(frame)
        : Else?.Evaluate(frame) ?? UndefinedValue.Hint($"the inline if-expression on line {Line} evaluated to false and no else section was defined.");
}

internal sealed record NotExpression(Expression Operand) : Expression
{
    protected override object Compute(Frame frame) => !PythonType.IsTrue(Operand.Evaluate(frame));
}

/// <summary><c>a and b</c>, <c>a or b</c>: the value is the operand that decides.</summary>
internal sealed record LogicalExpression(bool IsAnd, Expression Left, Expression Right) : Expression
{
    protected override object Compute(Frame frame)
    {
        object left = Left.Evaluate(frame);
        return PythonType.IsTrue(left) == IsAnd ? Right.Evaluate(frame) : left;
    }
}

/// <summary><c>a &lt; b &lt; c</c>: all comparisons must hold; evaluation stops at the first that does not.</summary>
internal sealed record ComparisonExpression(Expression First, IReadOnlyList<(string Symbol, Expression Operand)> Rest) : Expression
{
    protected override object Compute(Frame frame)
    {
        TemplateBudget budget = frame.Run.Budget;
        object left = First.Evaluate(frame);
        foreach ((string symbol, Expression operand) in Rest)
        {
            object right = operand.Evaluate(frame);
            bool holds = symbol switch
            {
                "==" => PythonComparison.AreEqual(left, right, budget),
                "!=" => !PythonComparison.AreEqual(left, right, budget),
                "in" => PythonComparison.Contains(right, left, budget),
                "not in" => !PythonComparison.Contains(right, left, budget),
                _ => PythonComparison.IsOrdered(left, right, symbol, budget),
            };
            if (!holds)
                return false;
            left = right;
        }
        return true;
    }
}

internal sealed record UnaryExpression(string Symbol, Expression Operand) : Expression
{
    protected override object Compute(Frame frame) =>
        Symbol == "-" ? PythonOperators.Negate(Operand.Evaluate(frame)) : PythonOperators.Plus(Operand.Evaluate(frame));
}

internal sealed record BinaryExpression(string Symbol, Expression Left, Expression Right) : Expression
{
    protected override object Compute(Frame frame)
    {
        object left = Left.Evaluate(frame), right = Right.Evaluate(frame);
        return Symbol switch
        {
            "+" => PythonOperators.Add(left, right, frame.Run),
            "-" => PythonOperators.Subtract(left, right, frame.Run),
            "*" => PythonOperators.Multiply(left, right, frame.Run),
            "/" => PythonOperators.Divide(left, right),
            "//" => PythonOperators.FloorDivide(left, right, frame.Run),
            "%" => PythonOperators.Modulo(left, right, frame.Run),
            _ => PythonOperators.Power(left, right, frame.Run),
        };
    }
}

/// <summary><c>a ~ b ~ c</c>: all operands as text.</summary>
internal sealed record ConcatenationExpression(IReadOnlyList<Expression> Operands) : Expression
{
    protected override object Compute(Frame frame)
    {
        object[] values = [.. Operands.Select(operand => operand.Evaluate(frame))];
        TemplateTextBuilder text = new(frame.Run.Budget);
        foreach (object value in values)
            text.Append(PythonText.Str(value, frame.Run.Budget));
        return text.ToText();
    }
}

/// <summary>The arguments of a call, a filter or a test.</summary>
internal sealed record ArgumentList(
    IReadOnlyList<Expression> Positional, IReadOnlyList<(string Name, Expression Value)> Named, Expression? Rest, Expression? NamedRest)
{
    public static readonly ArgumentList None = new([], [], null, null);

    public CallArguments Evaluate(Frame frame)
    {
        if (Positional.Count == 0 && Named.Count == 0 && Rest is null && NamedRest is null)
            return CallArguments.None;
        List<object> positional = [.. Positional.Select(argument => argument.Evaluate(frame))];
        List<KeyValuePair<string, object>> named = [.. Named.Select(argument => KeyValuePair.Create(argument.Name, argument.Value.Evaluate(frame)))];
        if (Rest is not null)
            positional.AddRange(PythonType.Elements(Rest.Evaluate(frame), frame.Run.Budget));
        if (NamedRest is not null)
        {
            if (NamedRest.Evaluate(frame) is not DictValue dict)
                throw JinjaException.Type("argument after ** must be a mapping");
            frame.Run.Budget.UseSteps(dict.Count);
            for (int i = 0; i < dict.Count; i++)
                named.Add(KeyValuePair.Create(
                    (dict.At(i).Key as TemplateText ?? throw JinjaException.Type("keywords must be strings")).Value, dict.At(i).Value));
        }
        return new CallArguments(positional, named);
    }
}

internal sealed record CallExpression(Expression Callee, ArgumentList Arguments) : Expression
{
    /// <summary>Calls with an additional argument, which a call block passes.</summary>
    public object Call(Frame frame, CallableValue? caller)
    {
        object callee = Callee.Evaluate(frame);
        CallArguments arguments = Arguments.Evaluate(frame);
        if (caller is not null)
            arguments = arguments with { Named = [.. arguments.Named, KeyValuePair.Create("caller", (object)caller)] };
        return frame.Run.Call(callee, arguments);
    }

    protected override object Compute(Frame frame) => Call(frame, caller: null);
}

/// <summary><c>a | name(…)</c>; in a filter block there is no expression before the bar.</summary>
internal sealed record FilterExpression(Expression? Operand, string Name, ArgumentList Arguments) : Expression
{
    /// <summary>Applies this filter and those before it to a value.</summary>
    public object Apply(object value, Frame frame) =>
        Filters.Apply(Name, Operand is null ? value : ((FilterExpression)Operand).Apply(value, frame), Arguments.Evaluate(frame), frame.Run);

    protected override object Compute(Frame frame) => Filters.Has(Name)
        ? Filters.Apply(Name, Operand!.Evaluate(frame), Arguments.Evaluate(frame), frame.Run)
        : throw new JinjaException(JinjaError.Runtime, $"No filter named {PythonText.Quote(Name)} found.");
}

/// <summary><c>a is name(…)</c></summary>
internal sealed record TestExpression(Expression Operand, string Name, ArgumentList Arguments) : Expression
{
    protected override object Compute(Frame frame) => Tests.Has(Name)
        ? Tests.Apply(Name, Operand.Evaluate(frame), Arguments.Evaluate(frame), frame.Run)
        : throw new JinjaException(JinjaError.Runtime, $"No test named {PythonText.Quote(Name)} found.");
}
