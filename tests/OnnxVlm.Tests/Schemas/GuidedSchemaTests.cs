using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OnnxVlm.Generation;
using OnnxVlm.Runtime;
using OnnxVlm.Schemas;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Schemas;

internal sealed class GuidedSchemaTests
{
    private static readonly string[] Accepted =
    [
        // zod 4
        """{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","propertyNames":{"type":"string"},"additionalProperties":{"type":"number"}}""",
        """{"type":"object","propertyNames":{"type":"string","enum":["a","ä"]},"additionalProperties":{"type":"number"},"required":["a","ä"]}""",
        """{"type":"string","format":"e164","pattern":"^\\+[0-9]{7,15}$"}""",
        """{"type":"string","format":"email","pattern":"^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"}""",
        """{"type":"array","prefixItems":[{"type":"string"},{"type":"number"}],"items":{"type":"boolean"}}""",
        """{"type":"integer","exclusiveMinimum":0,"maximum":9007199254740991}""",
        // zod 3, OpenAPI 3.0
        """{"$schema":"http://json-schema.org/draft-07/schema#","type":"array","items":[{"type":"string"},{"type":"number"}],"minItems":2,"maxItems":2}""",
        """{"type":"number","minimum":0,"exclusiveMinimum":true} || {"type":"number","exclusiveMinimum":0}""",
        """{"type":"object","properties":{"a":{"type":"string","nullable":true},"b":{"enum":["x"],"nullable":true}},"discriminator":{"propertyName":"a"},"xml":{},"x-order":1} || {"type":"object","properties":{"a":{"type":["string","null"]},"b":{"enum":["x",null]}},"additionalProperties":false}""",
        """{"type":"integer","format":"int32"}""",
        // pydantic 2
        """{"$defs":{"C":{"enum":["red","rot"],"title":"C","type":"string"}},"properties":{"c":{"$ref":"#/$defs/C"},"n":{"anyOf":[{"type":"integer"},{"type":"null"}],"default":null,"title":"N"},"d":{"anyOf":[{"type":"number"},{"pattern":"^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$","type":"string"}],"title":"D"}},"required":["c"],"title":"M","type":"object"}""",
        """{"type":"array","items":{"enum":["a","b"]},"uniqueItems":true}""",
        """{"type":"string","format":"json-string","contentMediaType":"application/json","contentSchema":{}}""",
        """{"type":"string","format":"binary","deprecated":true,"readOnly":true,"examples":["x"],"$comment":"c"}""",
        // OpenAI's strict schemas, recursion
        """{"type":"object","properties":{"value":{"type":"number"},"children":{"type":"array","items":{"$ref":"#"}}},"required":["value","children"],"additionalProperties":false}""",
        """{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["next"],"additionalProperties":false}}}""",
        // what says nothing
        "{}",
        """{"type":"object","required":["a"],"properties":{}}""",
        """{"type":"object","required":["a","b"],"properties":{"b":{"const":null}},"additionalProperties":{"type":"boolean"}}""",
        """{"required":["a"]}""",
        """{"const":null}""",
        """{"type":["string","null"],"format":"date-time"}""",
        """{"type":"array","items":true,"uniqueItems":false,"minContains":2,"unevaluatedItems":true,"not":false,"then":{},"maxItems":3}""",
        """{"type":"object","properties":{"not":{"type":"string"},"if":true,"allOf":{"const":1}},"unevaluatedProperties":false}""",
        """{"type":"object","propertyNames":{"pattern":"^[a-z]{1,3}$"},"additionalProperties":{"const":1},"maxProperties":3}""",
        """{"type":"object","propertyNames":{"maxLength":3}}""",
        """{"type":"object","propertyNames":true,"patternProperties":{"^a":{"type":"integer"}},"additionalProperties":false}""",
    ];

    private static readonly string[] Refused =
    [
        """{"type":"object","properties":{"a":{"type":"no such type"}}} | schema.properties.a.type""",
        """{"type":"array","items":{"not":{"type":"string"}}} | schema.items.not""",
        """{"properties":{"a":{"anyOf":[{"type":"string"},{"if":{},"then":{}}]}}} | schema.properties.a.anyOf[1].if""",
        """{"type":"string","pattern":"^(?=a).*$"} | schema.pattern""",
        """{"$ref":"#/$defs/a","$defs":{"b":{}}} | schema.$ref""",
        """{"$ref":"https://example.com/a.json"} | schema.$ref""",
        """{"enum":[]} | schema.enum""",
        """{"type":"object","required":["a"],"properties":{},"additionalProperties":false} | schema.required""",
        """{"type":"object","required":["a"],"additionalProperties":false} | schema.required""",
        """{"type":"object","required":"a"} | schema.required""",
        """{"type":"array","items":{"type":"string"},"uniqueItems":true} | schema.uniqueItems""",
        """{"type":"array","contains":{"const":1}} | schema.contains""",
        """{"type":"object","dependentRequired":{"a":["b"]}} | schema.dependentRequired""",
        """{"properties":{"a":"string"}} | schema.properties.a""",
        """{"anyOf":[]} | schema.anyOf""",
        """{"items":{"$comment":"Unsupported .NET type","not":true}} | .NET type""",
        """{"pattern":"^(abc){1000000}$"} | schema.pattern""",
        """{"pattern":"^((a{100}){100}){100}$"} | schema.pattern""",
        """{"patternProperties":{"^(?!a)":{}}} | schema.patternProperties""",
    ];

    [TestCase("""{}""", null)]
    [TestCase("""{"type":"object"}""", null)]
    [TestCase("""{"properties":{}}""", """{"properties":{},"additionalProperties":false}""")]
    [TestCase("""{"properties":{"a":true},"additionalProperties":true}""", null)]
    [TestCase("""{"properties":{"a":true},"patternProperties":{"b":true}}""", null)]
    [TestCase(
        """{"items":{"properties":{"a":{"properties":{}}}}}""",
        """{"items":{"properties":{"a":{"properties":{},"additionalProperties":false}},"additionalProperties":false}}""")]
    [TestCase("""{"anyOf":[{"properties":{}},{"type":"null"}]}""", """{"anyOf":[{"properties":{},"additionalProperties":false},{"type":"null"}]}""")]
    [TestCase("""{"properties":{"a":true},"anyOf":[{"properties":{}},{"required":["a"]}]}""", null)]
    [TestCase("""{"$ref":"#/$defs/a","$defs":{"a":{"properties":{}}}}""", """{"$ref":"#/$defs/a","$defs":{"a":{"properties":{},"additionalProperties":false}}}""")]
    [TestCase("""{"allOf":[{"properties":{"a":true}},{"properties":{"b":true}}]}""", null)]
    [TestCase("""{"properties":{"a":{"oneOf":[{"properties":{}},{"type":"string"}]}}}""", null)]
    public void Create_Schema_ClosesObjectsWhereThatOnlyNarrows(string schema, string? closed) =>
        Assert.That(Create(schema).ToJsonString(), Is.EqualTo(closed ?? schema));

    [Test]
    public void Create_FormatUri_BecomesAPattern()
    {
        string pattern = (string)Create("""{"items":{"type":"string","format":"uri"}}""")["items"]!["pattern"]!;

        Assert.That(Regex.IsMatch("https://example.com/a?b=c#d", pattern), Is.True);
        Assert.That(Regex.IsMatch("no uri", pattern), Is.False);
    }

    [TestCase("date-time", "2024-02-29T23:59:59.1234567Z", "2023-02-29T00:00:00Z")]
    [TestCase("date-time", "2000-02-29T00:00:00+13:59", "1900-02-29T00:00:00Z")]
    [TestCase("date-time", "0100-12-31T00:00:00-05:00", "9999-12-31T23:59:59-05:00")]
    [TestCase("date", "0001-01-01", "0000-01-01")]
    [TestCase("date", "9999-12-31", "2024-04-31")]
    [TestCase("time", "23:59:59", "23:59:60")]
    [TestCase("email", "a.b+c@example.co.uk", "a..b@example.com")]
    [TestCase("ipv6", "2001:db8::1", "2001:db8:::1")]
    [TestCase("base64", "QQ==", "QR==")]
    public void PatternOf_Format_TakesWhatDotNetReads(string format, string good, string bad)
    {
        Assert.That(good, Does.Match(StringFormats.PatternOf(format)!));
        Assert.That(bad, Does.Not.Match(StringFormats.PatternOf(format)!));
    }

    [Test]
    public void Create_NotAnObject_Throws() => Assert.That(() => Create("true"), Throws.ArgumentException);

    [TestCaseSource(nameof(Accepted))]
    public void Create_WhatLibrariesWrite_IsFollowed(string schema)
    {
        using GrammarWriter writer = GrammarWriter.OfBytes();
        // Where it is not the current draft, the same in the current draft stands behind it.
        string[] forms = schema.Split(" || ");
        using Grammar grammar = writer.Compile(Guidance.JsonSchema(forms[0]));
        for (int seed = 0; seed < 5; seed++)
        {
            string answer = writer.Write(grammar, seed).Text;
            grammar.Reset();
            Assert.That(Json.Schema.JsonSchema.FromText(forms[^1]).Evaluate(JsonDocument.Parse(answer).RootElement).IsValid, Is.True, answer);
        }
    }

    [TestCaseSource(nameof(Refused))]
    public void Create_WhatCannotBeFollowed_NamesThePath(string row)
    {
        string[] parts = row.Split(" | ");
        Assert.That(() => Guidance.JsonSchema(parts[0]), Throws.ArgumentException.With.Message.Contains(parts[1]).And.Message.Contains("JSON schema"));
    }

    [Test]
    public void Create_PatternsThatMultiply_AreBudgeted()
    {
        string Patterns(int count) => string.Join(',', Enumerable.Range(1, count).Select(i => $$"""{"pattern":"^.*a.{{{i}}}b.*$"}"""));

        Assert.That(() => Create($$"""{"type":"string","allOf":[{{Patterns(199)}}]}"""), Throws.ArgumentException.With.Message.Contains("patterns"));
        Assert.That(() => Create($$"""{"type":"string","allOf":[{{Patterns(5)}}]}"""), Throws.ArgumentException.With.Message.Contains("4 patterns"));
        Assert.That(() => Create($$"""{"anyOf":[{{Patterns(199)}}]}"""), Throws.ArgumentException.With.Message.Contains("states"));
        Assert.That(() => Create($$"""{"anyOf":[{{Patterns(100)}}]}"""), Throws.Nothing);
    }

    [TestCase("abc", 4)]
    [TestCase("(ab){10}", 31)]
    [TestCase(@"[a\]{5}]{3,7}", 8)]
    [TestCase("((a{100}){100}){100}", 1_000_000)]
    [TestCase("a{,5}", 6)]
    public void StatesOf_Pattern_CountsWhatItUnrollsTo(string pattern, long atLeast) =>
        Assert.That(PatternBudget.StatesOf(pattern), Is.GreaterThanOrEqualTo(Math.Min(atLeast - 1, PatternBudget.MaxStates)).And.LessThanOrEqualTo(Math.Max(atLeast * 2, PatternBudget.MaxStates * 8)));

    private static JsonObject Create(string schema) => GuidedSchema.Create(JsonDocument.Parse(schema).RootElement);
}
