using OnnxVlm.Prompting.Jinja;

namespace OnnxVlm.Tests.Prompting.Jinja;

/// <summary>A template is a stranger's program: what never ends or builds too much is refused by its budget, counted in steps and characters and not in seconds.</summary>
internal sealed class TemplateLimitTests
{
    private static readonly TemplateLimits Small = new() { MaxSteps = 300_000, MaxCharacters = 1_000_000 };

    [TestCase("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [TestCase("{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}")]
    [TestCase("{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}")]
    [TestCase("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}")]
    [TestCase("{% set ns = namespace() %}{% macro m() %}{{ ns.f() }}{% endmacro %}{% set ns.f = m %}{{ m() }}")]
    public void Render_RecursionForEver_EndsAtTheDepth(string template)
    {
        JinjaException error = Refused(template);

        Assert.That(error.Message, Does.Contain("200 deep"));
    }

    [TestCase("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}")]
    [TestCase("{% for i in range(1000) %}{% for j in range(1000) %}{% for k in range(1000) %}x{% endfor %}{% endfor %}{% endfor %}")]
    [TestCase("{{ [0] * 10**9 }}")]
    [TestCase("{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}")]
    [TestCase("{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(64) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}")]
    [TestCase("{% set ns = namespace(a=(1,)) %}{% for i in range(64) %}{% set ns.a = (ns.a, ns.a) %}{% endfor %}{{ {ns.a: 1} | length }}")]
    [TestCase("{{ [1] | batch(10**9, 0) | list }}")]
    [TestCase("{{ [1] | slice(10**9) | list }}")]
    [TestCase("{% set s = 'a' * 900000 %}{% for i in range(100000) %}{{ s.find('b') }}{% endfor %}")]
    [TestCase("{% set s = 'a' * 300000 %}{% set t = 'a' * 300000 %}{% for i in range(100000) %}{% if s == t %}{% endif %}{% endfor %}")]
    [TestCase("{% set d = {'a' * 300000: 1} %}{% set k = 'a' * 300000 %}{% for i in range(100000) %}{% if k in d %}{% endif %}{% endfor %}")]
    [TestCase("{{ dict(range(100000) | batch(2)).items() | unique | list | length }}")]
    public void Render_TooManySteps_EndsAtTheBudget(string template)
    {
        JinjaException error = Refused(template);

        Assert.That(error.Message, Is.EqualTo("the template took more than 300000 steps"));
    }

    [TestCase("{{ 'x' * 10**9 }}")]
    [TestCase("{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}")]
    [TestCase("{{ 'x'.center(10**9) }}")]
    [TestCase("{{ 'x'.zfill(10**9) }}")]
    [TestCase("{{ '%1000000000d' % 1 }}")]
    [TestCase("{{ '{:1000000000}'.format(1) }}")]
    [TestCase("{{ ('x' * 1000).replace('x', 'y' * 1000000) }}")]
    [TestCase("{{ ('x' * 1000).replace('', 'y' * 10000) }}")]
    [TestCase("{{ ('x' * 10000).join('y' * 10000) }}")]
    [TestCase("{{ ('x\\n' * 1000) | indent(100000) }}")]
    [TestCase("{{ [[1]] | tojson(indent=10**9) }}")]
    [TestCase("{{ ('\\t' * 1000).expandtabs(1000000) }}")]
    [TestCase("{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}")]
    [TestCase("{% set ns = namespace(l=[]) %}{% set s = 'x' * 100000 %}{% for i in range(1000) %}{% set ns.l = ns.l + [s[i:]] %}{% endfor %}")]
    [TestCase("{% for i in range(10000) %}{{ 'x' * 1000 }}{% endfor %}")]
    public void Render_TooMuchText_EndsBeforeItIsBuilt(string template)
    {
        JinjaException error = Refused(template);

        Assert.That(error.Message, Is.EqualTo("the template built texts of more than 1000000 characters"));
    }

    [TestCase("{{ 2 ** 100000 }}")]
    [TestCase("{{ 9 ** 9 ** 9 ** 9 ** 9 ** 9 }}")]
    [TestCase("{% set ns = namespace(a=7) %}{% for i in range(64) %}{% set ns.a = ns.a * ns.a %}{% endfor %}{{ ns.a }}")]
    public void Render_LargeNumbers_EndAtTheBudget(string template) => Assert.That(Refused(template).Message, Does.Contain("14000 bits"));

    [TestCase("(", "1", ")")]
    [TestCase("[", "", "]")]
    [TestCase("{1:", "1", "}")]
    [TestCase("-", "1", "")]
    [TestCase("not ", "1", "")]
    [TestCase("1 if 0 else ", "1", "")]
    [TestCase("f(", "1", ")")]
    public void Parse_DeepSource_IsRefused(string open, string middle, string close)
    {
        string template = "{{ " + string.Concat(Enumerable.Repeat(open, 100_000)) + middle + string.Concat(Enumerable.Repeat(close, 100_000)) + " }}";

        Assert.That(() => JinjaTemplate.Parse(template), Throws.TypeOf<JinjaException>().With.Property(nameof(JinjaException.Kind)).EqualTo(JinjaError.Budget));
    }

    [TestCase("{% if 1 %}", "{% endif %}")]
    [TestCase("{% for a in b %}", "{% endfor %}")]
    [TestCase("{% with %}", "{% endwith %}")]
    public void Parse_DeepBlocks_AreRefused(string open, string close)
    {
        string template = string.Concat(Enumerable.Repeat(open, 10_000)) + string.Concat(Enumerable.Repeat(close, 10_000));

        Assert.That(() => JinjaTemplate.Parse(template), Throws.TypeOf<JinjaException>().With.Property(nameof(JinjaException.Kind)).EqualTo(JinjaError.Budget));
    }

    [TestCase("1 + ", "1")]
    [TestCase("0 or ", "1")]
    [TestCase("1 * ", "1")]
    [TestCase("", "1 | abs")]
    [TestCase("", "a.b")]
    public void Parse_LongChains_AreRefused(string part, string last)
    {
        string Template(int links) => "{{ " + string.Concat(Enumerable.Repeat(part, links)) + last[0] + string.Concat(Enumerable.Repeat(last[1..], links)) + " }}";

        Assert.That(() => JinjaTemplate.Parse(Template(1001)), Throws.TypeOf<JinjaException>().With.Message.Contains("1000 operators"));
        Assert.That(() => JinjaTemplate.Parse(Template(1000)), Throws.Nothing);
    }

    [TestCase("{{ ns.s }}")]
    [TestCase("{{ ns.s | tojson }}")]
    [TestCase("{{ ns.s == ns.t }}")]
    [TestCase("{{ ns.s < ns.t }}")]
    [TestCase("{{ ns.g | list }}")]
    public void Render_DeepValues_AreRefused(string use)
    {
        const string Build = "{% set ns = namespace(s=[1], t=[2], g=[1]) %}{% for i in range(100000) %}{% set ns.s = [ns.s] %}{% set ns.t = [ns.t] %}{% set ns.g = ns.g | select %}{% endfor %}";

        Assert.That(() => JinjaTemplate.Parse(Build + use).Render(new Dictionary<string, object>(), default), Throws.TypeOf<JinjaException>().With.Property(nameof(JinjaException.Kind)).EqualTo(JinjaError.Budget));
    }

    [Test]
    public void Parse_LongSource_IsRefused() =>
        Assert.That(() => JinjaTemplate.Parse(new string('x', TemplateLimits.Default.MaxSourceLength + 1)), Throws.TypeOf<JinjaException>().With.Message.Contains("characters"));

    [Test]
    public void Render_OrdinaryTemplate_TakesFewSteps()
    {
        string messages = string.Join(",", Enumerable.Range(0, 100).Select(i => $$"""{"role": "{{(i % 2 == 0 ? "user" : "assistant")}}", "content": "{{new string('x', 1000)}}"}"""));

        JinjaTemplate.Parse("{% for m in messages %}<|im_start|>{{ m['role'] + '\\n' + m['content'] | trim + '<|im_end|>' }}\n{% endfor %}")
            .Render(JinjaValues.Read($"{{\"messages\": [{messages}]}}"), TemplateLimits.Default, default, out TemplateBudget used);

        Assert.That(used.Steps, Is.LessThan(30_000));
        Assert.That(used.Characters, Is.LessThan(600_000));
    }

    private static JinjaException Refused(string template)
    {
        JinjaException? error = Assert.Throws<JinjaException>(() => JinjaTemplate.Parse(template, Small).Render(new Dictionary<string, object>(), default));
        Assert.That(error!.Kind, Is.EqualTo(JinjaError.Budget));
        return error;
    }
}
