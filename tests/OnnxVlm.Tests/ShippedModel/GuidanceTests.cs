using System.Text.Json;
using Json.Schema;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.ShippedModel;

/// <summary>Grammars on the shipped model: what comes out follows them, whatever the model would rather say.</summary>
internal sealed class GuidanceTests
{
    [Test]
    public async Task GenerateAsync_RandomSchemas_EveryAnswerIsValid()
    {
        Random random = new(10);
        for (int i = 0; i < 500; i++)
        {
            string schema = RandomSchema.Object(random).ToJsonString();
            GenerationOptions options = new() { Guidance = Guidance.JsonSchema(schema), Temperature = i % 2 == 0 ? 1.5 : 0, Seed = i, MaxNewTokens = 1500 };

            string answer = await AskAsync(options);

            EvaluationResults result = JsonSchema.FromText(schema).Evaluate(JsonDocument.Parse(answer).RootElement);
            Assert.That(result.IsValid, Is.True, $"{schema}\n{answer}");
        }
    }

    [Test]
    public async Task GenerateAsync_Lark_AnswerFollowsTheGrammar()
    {
        const string Grammar = """
            start: "red" | "green" ("," NUMBER)+
            NUMBER: /[0-9]{1,3}/
            """;
        for (int seed = 0; seed < 20; seed++)
            Assert.That(await AskAsync(new GenerationOptions { Guidance = Guidance.Lark(Grammar), Temperature = 1.5, Seed = seed, MaxNewTokens = 300 }), Does.Match("^(red|green(,[0-9]{1,3})+)"));
    }

    [TestCase("""{"type": "nonsense"}""")]
    [TestCase("""{"type": "object", "properties": {"a": {"$ref": "#/missing"}}}""")]
    public void GenerateAsync_SchemaThatCannotBeCompiled_Throws(string schema) =>
        Assert.That(() => AskAsync(new GenerationOptions { Guidance = Guidance.JsonSchema(schema) }), Throws.ArgumentException.With.Message.Contains("JSON schema"));

    [TestCase("[1, 2")]
    [TestCase("[]")]
    [TestCase(" ")]
    public void JsonSchema_NotAJsonObject_Throws(string schema) => Assert.That(() => Guidance.JsonSchema(schema), Throws.ArgumentException);

    [Test]
    public void GenerateAsync_RegexThatCannotBeCompiled_Throws() =>
        Assert.That(() => AskAsync(new GenerationOptions { Guidance = Guidance.Regex("(") }), Throws.ArgumentException.With.Message.Contains("regular expression"));

    private static async Task<string> AskAsync(GenerationOptions options)
    {
        List<GenerationUpdate> updates = await Nano.Model.GenerateAsync(Nano.Model.CreatePrompt([new ChatMessage(ChatRole.User, "Hello")]), options).ToListAsync();
        return string.Concat(updates.Select(update => update.Text));
    }
}
