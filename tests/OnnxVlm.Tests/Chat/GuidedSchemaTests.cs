using System.Text.Json;
using OnnxVlm.Chat;

namespace OnnxVlm.Tests.Chat;

internal sealed class GuidedSchemaTests
{
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
        Assert.That(GuidedSchema.Create(JsonDocument.Parse(schema).RootElement).ToJsonString(), Is.EqualTo(closed ?? schema));

    [Test]
    public void Create_FormatUri_BecomesAPattern()
    {
        JsonElement schema = JsonDocument.Parse("""{"items":{"type":"string","format":"uri"},"not":{"format":"uri"}}""").RootElement;

        string pattern = (string)GuidedSchema.Create(schema)["items"]!["pattern"]!;
        Assert.That(System.Text.RegularExpressions.Regex.IsMatch("https://example.com/a?b=c#d", pattern), Is.True);
        Assert.That(System.Text.RegularExpressions.Regex.IsMatch("no uri", pattern), Is.False);
    }

    [Test]
    public void Create_NotAnObject_Throws() => Assert.That(() => GuidedSchema.Create(JsonDocument.Parse("true").RootElement), Throws.ArgumentException);
}
