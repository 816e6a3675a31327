namespace OnnxVlm.Prompting.Jinja;

/// <summary>
/// A template in the language of Jinja 3.1, with Hugging Face's settings for chat templates: a sandbox in which values are immutable, trim_blocks and
/// lstrip_blocks, break and continue, generation blocks, json.dumps for tojson, raise_exception and strftime_now. A template is self-contained: there
/// are no includes and no inheritance. Immutable, so it can be shared between threads.
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

    /// <summary>All names that the template reads.</summary>
    public IReadOnlySet<string> NamesRead { get; }

    /// <summary>Reads a template.</summary>
    /// <param name="source">Its text.</param>
    /// <param name="limits">Its limits; null for the defaults.</param>
    /// <exception cref="JinjaException">The text is not a template.</exception>
    public static JinjaTemplate Parse(string source, TemplateLimits? limits = null)
    {
        (Body body, BlockNames names, IReadOnlySet<string> namesRead) = Parser.Read(source, limits ?? TemplateLimits.Default);
        return new JinjaTemplate(body, names, namesRead, limits ?? TemplateLimits.Default);
    }

    /// <summary>Renders it.</summary>
    /// <param name="variables">Its variables.</param>
    /// <param name="now">The time for strftime_now.</param>
    /// <exception cref="JinjaException">The template refuses, fails, or exceeds its limits.</exception>
    public TemplateText Render(IReadOnlyDictionary<string, object> variables, DateTimeOffset now) => Render(variables, _limits, now, out _);

    /// <summary>The same with other limits.</summary>
    /// <param name="variables">Its variables.</param>
    /// <param name="limits">The limits of the rendering.</param>
    /// <param name="now">The time for strftime_now.</param>
    /// <param name="used">Receives what the rendering used.</param>
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
