namespace OnnxVlm.Prompting.Jinja;

/// <summary>How a statement ended.</summary>
internal enum Flow
{
    Normal,
    Break,
    Continue,
}

/// <summary>A statement of a template.</summary>
internal abstract record Statement
{
    /// <summary>Runs it; counts as a step of the budget.</summary>
    public Flow Execute(Frame frame)
    {
        frame.Run.Budget.UseSteps();
        TemplateBudget.EnsureStack();
        return Run(frame);
    }

    protected abstract Flow Run(Frame frame);
}

/// <summary>Statements one after the other.</summary>
internal sealed record Body(IReadOnlyList<Statement> Statements)
{
    public static readonly Body Empty = new([]);

    public Flow Execute(Frame frame)
    {
        foreach (Statement statement in Statements)
        {
            Flow flow = statement.Execute(frame);
            if (flow != Flow.Normal)
                return flow;
        }
        return Flow.Normal;
    }
}

/// <summary>Text outside of tags.</summary>
internal sealed record DataStatement(TemplateText Text) : Statement
{
    protected override Flow Run(Frame frame)
    {
        frame.Output.Append(Text);
        return Flow.Normal;
    }
}

/// <summary><c>{{ value }}</c></summary>
internal sealed record OutputStatement(Expression Value) : Statement
{
    protected override Flow Run(Frame frame)
    {
        frame.Output.Append(PythonText.Str(Value.Evaluate(frame), frame.Run.Budget));
        return Flow.Normal;
    }
}

internal sealed record IfStatement(IReadOnlyList<(Expression Test, Body Body)> Branches, Body Else) : Statement
{
    protected override Flow Run(Frame frame)
    {
        foreach ((Expression test, Body body) in Branches)
        {
            if (PythonType.IsTrue(test.Evaluate(frame)))
                return body.Execute(frame);
        }
        return Else.Execute(frame);
    }
}

/// <summary><c>break</c> or <c>continue</c>.</summary>
internal sealed record FlowStatement(Flow Flow) : Statement
{
    protected override Flow Run(Frame frame) => Flow;
}

internal sealed record SetStatement(Target Target, Expression Value) : Statement
{
    protected override Flow Run(Frame frame)
    {
        Target.RequireNamespaces(frame);
        Target.Assign(Value.Evaluate(frame), frame, frame.Scope);
        return Flow.Normal;
    }
}

/// <summary><c>{% set name %}…{% endset %}</c></summary>
internal sealed record SetBlockStatement(Target Target, FilterExpression? Filter, Body Body, BlockNames Names) : Statement
{
    protected override Flow Run(Frame frame)
    {
        Target.RequireNamespaces(frame);
        Frame inner = frame.Inner(Names).Capturing(out TemplateTextBuilder output);
        Flow flow = Body.Execute(inner);
        if (flow != Flow.Normal)
            return flow;
        object text = output.ToText();
        Target.Assign(Filter?.Apply(text, inner) ?? text, frame, frame.Scope);
        return Flow.Normal;
    }
}

internal sealed record FilterBlockStatement(FilterExpression Filter, Body Body, BlockNames Names) : Statement
{
    protected override Flow Run(Frame frame)
    {
        Frame inner = frame.Inner(Names).Capturing(out TemplateTextBuilder output);
        Flow flow = Body.Execute(inner);
        if (flow == Flow.Normal)
            frame.Output.Append(PythonText.Str(Filter.Apply(output.ToText(), inner), frame.Run.Budget));
        return flow;
    }
}

internal sealed record WithStatement(IReadOnlyList<(Target Target, Expression Value)> Assignments, Body Body, BlockNames Names) : Statement
{
    protected override Flow Run(Frame frame)
    {
        Frame inner = frame.Inner(Names);
        foreach ((Target target, Expression value) in Assignments)
            target.Assign(value.Evaluate(frame), frame, inner.Scope);
        return Body.Execute(inner);
    }
}

/// <summary><c>{% generation %}…{% endgeneration %}</c>, which marks what a model is trained to write; the contents are printed as they are.</summary>
internal sealed record GenerationStatement(Body Body, BlockNames Names) : Statement
{
    protected override Flow Run(Frame frame) => Body.Execute(frame.Inner(Names));
}

internal sealed record MacroStatement(MacroDefinition Macro) : Statement
{
    protected override Flow Run(Frame frame)
    {
        frame.Scope.Set(Macro.Name, new MacroValue(Macro, frame.Scope));
        return Flow.Normal;
    }
}

/// <summary><c>{% call name(…) %}…{% endcall %}</c>: the macro receives the body as caller().</summary>
internal sealed record CallBlockStatement(CallExpression Call, MacroDefinition Caller) : Statement
{
    protected override Flow Run(Frame frame)
    {
        object result = Call.Call(frame, new MacroValue(Caller, frame.Scope));
        frame.Output.Append(PythonText.Str(result, frame.Run.Budget));
        return Flow.Normal;
    }
}

/// <summary>The target of an assignment: a name, an attribute of a namespace, or several targets.</summary>
internal abstract record Target
{
    /// <summary>The names that are assigned.</summary>
    public abstract IEnumerable<string> Names { get; }

    /// <exception cref="JinjaException">The object whose attribute is assigned is not a namespace.</exception>
    public abstract void RequireNamespaces(Frame frame);

    /// <summary>Assigns.</summary>
    /// <param name="value">The value.</param>
    /// <param name="frame">The frame in which namespaces are looked up.</param>
    /// <param name="scope">The scope in which names are set.</param>
    public abstract void Assign(object value, Frame frame, Scope scope);
}

internal sealed record NameTarget(string Name) : Target
{
    public override IEnumerable<string> Names => [Name];

    public override void RequireNamespaces(Frame frame)
    {
    }

    public override void Assign(object value, Frame frame, Scope scope) => scope.Set(Name, value);
}

/// <summary><c>ns.name</c></summary>
internal sealed record NamespaceTarget(NameExpression Namespace, TemplateText Attribute) : Target
{
    public override IEnumerable<string> Names => [];

    public override void RequireNamespaces(Frame frame)
    {
        if (Namespace.Evaluate(frame) is not NamespaceValue)
            throw new JinjaException(JinjaError.Runtime, "cannot assign attribute on non-namespace object");
    }

    public override void Assign(object value, Frame frame, Scope scope) => ((NamespaceValue)Namespace.Evaluate(frame)).Attributes.Set(Attribute, value);
}

/// <summary><c>a, b</c></summary>
internal sealed record TupleTarget(IReadOnlyList<Target> Targets) : Target
{
    public override IEnumerable<string> Names => Targets.SelectMany(target => target.Names);

    public override void RequireNamespaces(Frame frame)
    {
        foreach (Target target in Targets)
            target.RequireNamespaces(frame);
    }

    public override void Assign(object value, Frame frame, Scope scope)
    {
        if (!PythonType.IsIterable(value))
            throw JinjaException.Type($"cannot unpack non-iterable {PythonType.NameOf(value)} object");
        List<object> items = [.. PythonType.Elements(value, frame.Run.Budget).Take(Targets.Count + 1)];
        if (items.Count < Targets.Count)
            throw JinjaException.Value($"not enough values to unpack (expected {Targets.Count}, got {items.Count})");
        if (items.Count > Targets.Count)
            throw JinjaException.Value($"too many values to unpack (expected {Targets.Count})");
        for (int i = 0; i < Targets.Count; i++)
            Targets[i].Assign(items[i], frame, scope);
    }
}
