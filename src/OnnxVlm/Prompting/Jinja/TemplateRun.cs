namespace OnnxVlm.Prompting.Jinja;

/// <summary>One rendering of a template: its variables and what it may still use. Not safe to use from several threads at once.</summary>
/// <param name="variables">What the caller gives.</param>
/// <param name="limits">What the rendering may use.</param>
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
    /// <exception cref="JinjaException">It cannot be called, or refuses.</exception>
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

/// <summary>Where a statement runs: its variables, what it writes to, and the rendering it belongs to.</summary>
internal sealed record Frame(Scope Scope, TemplateTextBuilder Output, TemplateRun Run)
{
    /// <summary>The same with variables of its own.</summary>
    public Frame Inner(BlockNames names) => this with { Scope = new Scope(Scope, names) };

    /// <summary>The same, writing elsewhere.</summary>
    public Frame Capturing(out TemplateTextBuilder output)
    {
        output = new TemplateTextBuilder(Run.Budget);
        return this with { Output = output };
    }
}
