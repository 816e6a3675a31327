namespace OnnxVlm.Prompting.Jinja;

/// <summary>One rendering of a template: its variables and the rest of its budget. Not thread-safe.</summary>
/// <param name="variables">The caller's variables.</param>
/// <param name="limits">The limits of the rendering.</param>
/// <param name="now">The time for strftime_now.</param>
internal sealed class TemplateRun(IReadOnlyDictionary<string, object> variables, TemplateLimits limits, DateTimeOffset now)
{
    public TemplateBudget Budget { get; } = new(limits);

    public TemplateLimits Limits { get; } = limits;

    public DateTimeOffset Now { get; } = now;

    /// <summary>A variable of the caller, or a function of the language.</summary>
    public object Variable(string name) =>
        variables.TryGetValue(name, out object? value) || Globals.All.TryGetValue(name, out value) ? value : UndefinedValue.Name(name);

    /// <summary>Calls a value.</summary>
    /// <exception cref="JinjaException">The value cannot be called, or the call fails.</exception>
    public object Call(object callee, CallArguments arguments)
    {
        Budget.Enter();
        object result = callee switch
        {
            CallableValue callable => callable.Call(arguments, this),
            LoopValue loop => loop.Call(arguments),
            UndefinedValue undefined => throw undefined.Fail(),
            _ => throw JinjaException.Type($"'{PythonType.NameOf(callee)}' object is not callable"),
        };
        Budget.Leave();
        return result;
    }
}

/// <summary>The environment of a statement: its variables, its output, and the rendering that it belongs to.</summary>
internal sealed record Frame(Scope Scope, TemplateTextBuilder Output, TemplateRun Run)
{
    /// <summary>The same with a scope of its own.</summary>
    public Frame Inner(BlockNames names) => this with { Scope = new Scope(Scope, names) };

    /// <summary>The same with another output.</summary>
    public Frame Capturing(out TemplateTextBuilder output)
    {
        output = new TemplateTextBuilder(Run.Budget);
        return this with { Output = output };
    }
}
