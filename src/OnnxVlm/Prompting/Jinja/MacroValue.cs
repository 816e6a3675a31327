namespace OnnxVlm.Prompting.Jinja;

/// <summary>A macro, or the body of a call block, as the template defines it.</summary>
internal sealed record MacroDefinition(string Name, IReadOnlyList<string> Parameters, IReadOnlyList<Expression> Defaults, Body Body, BlockNames Names)
{
    /// <summary>Whether the body uses caller, so that one can be passed.</summary>
    public bool UsesCaller { get; init; }

    /// <summary>Whether the body uses kwargs, so that the macro accepts arguments of any name.</summary>
    public bool UsesNamedRest { get; init; }

    /// <summary>Whether the body uses varargs, so that the macro accepts any number of arguments.</summary>
    public bool UsesRest { get; init; }
}

/// <summary>A macro that can be called.</summary>
/// <param name="macro">Its definition.</param>
/// <param name="closure">The variables at the place of its definition.</param>
internal sealed class MacroValue(MacroDefinition macro, Scope closure) : CallableValue
{
    public override string TypeName => "Macro";

    /// <summary>Its name as Python shows it.</summary>
    public string NameForMessage => macro.Name.Length == 0 ? "None" : PythonText.Quote(macro.Name);

    public override object Call(CallArguments arguments, TemplateRun run)
    {
        Scope scope = new(closure, macro.Names);
        Frame frame = new(scope, new TemplateTextBuilder(run.Budget), run);
        object?[] bound = Bind(arguments, scope, run);
        for (int i = 0; i < bound.Length; i++)
            scope.Set(macro.Parameters[i], bound[i] ?? UndefinedValue.Name(macro.Parameters[i]));
        for (int i = 0; i < bound.Length; i++)
        {
            if (bound[i] is not null)
                continue;
            string name = macro.Parameters[i];
            int index = i - (macro.Parameters.Count - macro.Defaults.Count);
            scope.Set(name, index >= 0 ? macro.Defaults[index].Evaluate(frame) : UndefinedValue.Hint($"parameter {PythonText.Quote(name)} was not provided"));
        }
        macro.Body.Execute(frame);
        return frame.Output.ToText();
    }

    public override object? Attribute(string name) => name switch
    {
        "name" => macro.Name.Length == 0 ? NoneValue.Instance : TemplateText.Own(macro.Name),
        "arguments" => new TupleValue([.. macro.Parameters.Select(TemplateText.Own)]),
        "catch_kwargs" => macro.UsesNamedRest,
        "catch_varargs" => macro.UsesRest,
        "caller" => macro.UsesCaller,
        _ => null,
    };

    // Gives each parameter its argument, null for a missing one, and sets caller, kwargs and varargs.
    private object?[] Bind(CallArguments arguments, Scope scope, TemplateRun run)
    {
        int count = macro.Parameters.Count;
        object?[] bound = new object?[count];
        Dictionary<string, object> named = new(arguments.Named.Count, StringComparer.Ordinal);
        foreach ((string name, object value) in arguments.Named)
        {
            if (!named.TryAdd(name, value))
                throw JinjaException.Type($"got multiple values for keyword argument '{name}'");
        }
        for (int i = 0; i < count; i++)
        {
            if (i < arguments.Positional.Count)
                bound[i] = arguments.Positional[i];
            else if (named.Remove(macro.Parameters[i], out object? value))
                bound[i] = value;
        }
        if (macro.UsesCaller && !macro.Parameters.Contains("caller"))
            scope.Set("caller", named.Remove("caller", out object? caller) ? caller : UndefinedValue.Hint("No caller defined"));
        if (macro.UsesNamedRest)
        {
            DictValue rest = new();
            foreach ((string name, object value) in named)
                rest.Set(name, value);
            scope.Set("kwargs", rest);
        }
        else if (named.Count > 0)
        {
            throw JinjaException.Type(named.ContainsKey("caller")
                ? $"macro {NameForMessage} was invoked with two values for the special caller argument. This is most likely a bug."
                : $"macro {NameForMessage} takes no keyword argument {PythonText.Quote(named.Keys.First())}");
        }
        if (macro.UsesRest)
            scope.Set("varargs", new TupleValue([.. arguments.Positional.Skip(count)]));
        else if (arguments.Positional.Count > count)
            throw JinjaException.Type($"macro {NameForMessage} takes not more than {count} argument(s)");
        run.Budget.UseSteps(count);
        return bound;
    }

}
