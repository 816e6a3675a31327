using System.Text.Json;
using OnnxVlm.Prompting.Jinja;

namespace OnnxVlm.Tests.Prompting.Jinja;

/// <summary>The interpreter against jinja2 3.1 under Hugging Face's settings: tests/data/jinja, made by make.py there.</summary>
internal sealed class JinjaTemplateTests
{
    private static string Data(string name) => File.ReadAllText(Path.Combine(Nano.TestData, "jinja", name));

    [Test]
    public void Render_ExpressionsAndStatements_AreWhatJinjaMakesOfThem()
    {
        using JsonDocument expected = JsonDocument.Parse(Data("expected.json"));
        Dictionary<string, object> variables = JinjaValues.Read(Data("variables.json"));
        List<string> wrong = [];
        int count = 0;
        foreach (JsonElement entry in expected.RootElement.EnumerateArray())
        {
            string template = entry.GetProperty("template").GetString()!, found, wanted;
            if (entry.TryGetProperty("output", out JsonElement output))
                (found, wanted) = (Outcome(template, variables), output.GetString()!);
            else
                (found, wanted) = (Outcome(template, variables).Split(" (line")[0], "error: " + entry.GetProperty("error").GetString());
            count++;
            if (found != wanted)
                wrong.Add($"{template}\n  expected {wanted}\n  found    {found}");
        }

        Assert.That(wrong, Is.Empty);
        Assert.That(count, Is.GreaterThan(900));
    }

    [TestCase("a\n  {%- if true %}b{% endif", "unexpected end of template, expected 'end of statement block'. (line 2)")]
    [TestCase("\n\n{{ x | nofilter }}", "No filter named 'nofilter'. (line 3)")]
    [TestCase("{% include 'other' %}", "the tag 'include' is not implemented, since a chat template stands alone (line 1)")]
    public void Parse_NotATemplate_SaysWhereAndWhy(string template, string message) =>
        Assert.That(() => JinjaTemplate.Parse(template), Throws.TypeOf<JinjaException>().With.Message.EqualTo(message));

    [Test]
    public void Render_StrftimeNow_WritesTheGivenTime()
    {
        const string Format = "%d %b %Y %A %a %B %j %y %m %p %I %H:%M:%S %U %W %w %u %V %G %e %F %T %D %R %h %-d %-m %% %Z%z|%c";
        DateTimeOffset time = new(2026, 3, 5, 17, 4, 9, TimeSpan.FromHours(2));

        string text = JinjaTemplate.Parse($"{{{{ strftime_now('{Format}') }}}}").Render(new Dictionary<string, object>(), time).Value;

        Assert.That(text, Is.EqualTo("05 Mar 2026 Thursday Thu March 064 26 03 PM 05 17:04:09 09 09 4 4 10 2026  5 2026-03-05 17:04:09 03/05/26 17:04 Mar 5 3 % |Thu Mar  5 17:04:09 2026"));
    }

    [Test]
    public void NamesRead_TellsWhatATemplateAsksFor()
    {
        JinjaTemplate template = JinjaTemplate.Parse("{% macro m(t) %}{{ t.tools }}{{ 'tools' }}{% endmacro %}{% for a in messages if a.x %}{% set tools_seen = enable_thinking %}{% endfor %}");

        Assert.That(template.NamesRead, Does.Contain("messages").And.Contain("enable_thinking").And.Not.Contain("tools").And.Not.Contain("tools_seen"));
        Assert.That(JinjaTemplate.Parse("{% if tools is not none %}x{% endif %}").NamesRead, Does.Contain("tools"));
    }

    private static string Outcome(string template, Dictionary<string, object> variables)
    {
        try
        {
            return JinjaTemplate.Parse(template).Render(variables, DateTimeOffset.UnixEpoch).Value;
        }
        catch (JinjaException e)
        {
            return "error: " + e.Message;
        }
    }
}
