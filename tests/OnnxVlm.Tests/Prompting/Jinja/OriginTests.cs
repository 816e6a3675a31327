using OnnxVlm.Prompting.Jinja;

namespace OnnxVlm.Tests.Prompting.Jinja;

/// <summary>Every character remembers whether the template or the outside wrote it, whatever is done with the text.</summary>
internal sealed class OriginTests
{
    // Lower-case letters of the result are from outside, upper-case ones from the template; other characters are shown as they are, those from outside behind a dot.
    [TestCase("{{ x }}", "abc")]
    [TestCase("A{{ x }}B", "AabcB")]
    [TestCase("{{ 'A' + x + 'B' }}", "AabcB")]
    [TestCase("{{ 'A' ~ x ~ 'B' }}", "AabcB")]
    [TestCase("{{ x[1:] ~ 'A' }}", "bcA")]
    [TestCase("{{ x[::-1] }}", "cba")]
    [TestCase("{{ x | upper }}", "abc", true)]
    [TestCase("{{ x.title() }}", "abc", true)]
    [TestCase("{{ x | replace('b', 'B') }}", "aBc")]
    [TestCase("{{ 'ABA'.replace('B', x) }}", "AabcA")]
    [TestCase("{{ x.split('b') | join('Z') }}", "aZc")]
    [TestCase("{{ x.center(5, 'Z') }}", "ZabcZ")]
    [TestCase("{{ ('Q' + x + 'Q').strip('Q') }}", "abc")]
    [TestCase("{{ 'P%sQ' % x }}", "PabcQ")]
    [TestCase("{{ 'P{}Q'.format(x) }}", "PabcQ")]
    [TestCase("{{ 'P%sQ' | format(x) }}", "PabcQ")]
    [TestCase("{{ x * 2 }}", "abcabc")]
    [TestCase("{{ [x, 'A'] | join }}", "abcA")]
    [TestCase("{{ x | list | reverse | join('Z') }}", "cZbZa")]
    [TestCase("{{ [x, 'A'] | tojson }}", "[\"abc\", \"A\"]")]
    [TestCase("{{ [x, 'A'] }}", "['abc', 'A']")]
    [TestCase("{{ {x: 'A'} | tojson }}", "{\"abc\": \"A\"}")]
    [TestCase("{{ d | tojson }}", "{\"k\": \"v\"}")]
    [TestCase("{{ d.items() | list }}", "[('k', 'v')]")]
    [TestCase("{% set y %}Q{{ x }}{% endset %}{{ y | trim }}", "Qabc")]
    [TestCase("{% macro m(t) %}M{{ t }}{% endmacro %}{{ m(x) | replace('M', 'N') }}", "Nabc")]
    [TestCase("{% filter upper %}q{{ x }}{% endfilter %}", "Qabc", true)]
    [TestCase("{% for c in x %}{{ c }}Z{% endfor %}", "aZbZcZ")]
    [TestCase("{{ (x + 'A') | indent(1, true) }}", " abcA")]
    [TestCase("{{ x if x in 'Zabc' else 'Z' }}", "abc")]
    [TestCase("{{ quote | tojson }}", "\".\\.\".\\n\"")]
    [TestCase("{{ quote | e }}", ".&.#.3.4.;.\n")]
    [TestCase("{{ x | default('A') }}{{ nope | default('A') }}{{ nope | default(x) }}", "abcAabc")]
    [TestCase("{{ x.partition('b') | join('Z') }}", "aZbZc")]
    public void Render_KeepsTheOriginOfEachCharacter(string template, string expected, bool foldsCase = false)
    {
        Dictionary<string, object> variables = JinjaValues.Read("""{"x": "abc", "d": {"k": "v"}, "quote": "\"\n"}""");

        TemplateText text = JinjaTemplate.Parse(template).Render(variables, DateTimeOffset.UnixEpoch);

        string shown = string.Concat(text.Value.Select((c, i) => char.IsLetter(c)
            ? (foldsCase ? (text.IsFromTemplate(i) ? char.ToUpperInvariant(c) : char.ToLowerInvariant(c)).ToString()
                : text.IsFromTemplate(i) == char.IsUpper(c) ? c.ToString() : $"<{c}>")
            : text.IsFromTemplate(i) ? c.ToString() : "." + c));
        Assert.That(shown, Is.EqualTo(expected));
    }

    [Test]
    public void Render_RandomPrograms_NoCharacterOfTheOutsideBecomesTheTemplates()
    {
        // Outside texts have only Greek letters and digits from outside, the template only Latin ones: whatever is done, a Greek letter is never the template's, nor a Latin one from outside.
        string[] operations =
        [
            "{0} + {1}", "{0} ~ {1}", "{0}.strip()", "{0}.upper()", "{0} | lower", "{0}.split({1}) | join({0})", "{0} | replace({1}, {0})", "{0}[1:]", "{0}[::-1]", "{0} * 2", "'%s-%s' % ({0}, {1})",
            "'{{}}{{}}'.format({1}, {0})", "[{0}, {1}] | join({1})", "{0} | list | join", "[{0}] | tojson", "[{1}] | string", "{0} | indent({1})", "{0}.center(9, 'z')", "{0}.partition({1}) | join", "{0} | title",
            "({0} if {1} in {0} else {1})", "{0} | trim({1})", "{0}.removeprefix({1})", "{0} | truncate(5, true, {1})", "{0} | wordwrap(3)", "{0} | e", "{0}.zfill(8)", "{0} | capitalize", "{0}.swapcase()", "{0}.expandtabs(2)",
        ];
        Random random = new(18);
        for (int round = 0; round < 3000; round++)
        {
            List<string> names = ["a", "b", "'lat'", "'in x'"];
            string template = "";
            for (int step = 0; step < 6; step++)
            {
                string operation = operations[random.Next(operations.Length)].Replace("{0}", names[random.Next(names.Count)], StringComparison.Ordinal).Replace("{1}", names[random.Next(names.Count)], StringComparison.Ordinal).Replace("{{}}", "{}", StringComparison.Ordinal);
                template += $"{{% set v{step} = {operation} %}}";
                names.Add($"v{step}");
            }
            template += "{{ v5 }}{{ v4 }}";
            TemplateText text;
            try
            {
                text = JinjaTemplate.Parse(template).Render(JinjaValues.Read("""{"a": "αβ γ\nδ", "b": "β"}"""), DateTimeOffset.UnixEpoch);
            }
            catch (JinjaException e) when (e.Message is "empty separator" || e.Message.StartsWith("expected length", StringComparison.Ordinal))
            {
                continue;
            }
            for (int i = 0; i < text.Value.Length; i++)
            {
                char c = text.Value[i];
                if (c is >= '\u0370' and < '\u0400')
                    Assert.That(text.IsFromTemplate(i), Is.False, template);
            }
        }
    }
}
