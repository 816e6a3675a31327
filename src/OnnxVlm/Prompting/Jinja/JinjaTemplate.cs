namespace OnnxVlm.Prompting.Jinja;

/// <summary>
/// A template in the language of Jinja 3.1, as Hugging Face sets it up for chat templates: sandboxed, nothing can be changed, trim_blocks and lstrip_blocks, break and continue, generation
/// blocks, json.dumps for tojson, raise_exception and strftime_now. It stands alone: no includes, no inheritance. Immutable, so it can be shared between threads.
/// </summary>
internal sealed class JinjaTemplate
{
    private readonly Body _body;
    private readonly BlockNames _names;
    private readonly TemplateLimits _limits;

    private JinjaTemplate(Body body, BlockNames names, IReadOnlySet<string> namesRead, TemplateLimits limits)
    {
        _body = body;
        _names = names;
        _limits = limits;
        NamesRead = namesRead;
    }

    /// <summary>The names that the template reads anywhere.</summary>
    public IReadOnlySet<string> NamesRead { get; }

    /// <summary>Reads a template.</summary>
    /// <param name="source">Its text.</param>
    /// <param name="limits">What it may use; null for the defaults.</param>
    /// <exception cref="JinjaException">It is not a template.</exception>
    public static JinjaTemplate Parse(string source, TemplateLimits? limits = null)
    {
        (Body body, BlockNames names, IReadOnlySet<string> namesRead) = Parser.Read(source, limits ?? TemplateLimits.Default);
        return new JinjaTemplate(body, names, namesRead, limits ?? TemplateLimits.Default);
    }

    /// <summary>Renders it.</summary>
    /// <param name="variables">Its variables.</param>
    /// <param name="now">The time for strftime_now.</param>
    /// <exception cref="JinjaException">The template refuses, fails, or takes more than it may.</exception>
    public TemplateText Render(IReadOnlyDictionary<string, object> variables, DateTimeOffset now) => Render(variables, _limits, now, out _);

    /// <summary>The same with other limits.</summary>
    /// <param name="variables">Its variables.</param>
    /// <param name="limits">What the rendering may use.</param>
    /// <param name="now">The time for strftime_now.</param>
    /// <param name="used">What it used.</param>
    /// <exception cref="JinjaException">As above.</exception>
    public TemplateText Render(IReadOnlyDictionary<string, object> variables, TemplateLimits limits, DateTimeOffset now, out TemplateBudget used)
    {
        TemplateRun run = new(variables, limits, now);
        used = run.Budget;
        Frame frame = new(new Scope(null, _names), new TemplateTextBuilder(run.Budget), run);
        _body.Execute(frame);
        return frame.Output.ToText();
    }
}
