using System.Text.Json;
using Json.Schema;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Chat.Tools;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Chat;

/// <summary>The grammars of function calls, compiled and enforced by llguidance.</summary>
internal sealed class ToolGrammarTests
{
    private const string WeatherCall = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\", \"days\": 3}}\n</tool_call>";
    private const string NowCall = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";

    private const string AnswerSchema = """{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}""";

    private static readonly AIFunctionDeclaration[] Functions =
    [
        AIFunctionFactory.CreateDeclaration("weather", "Tells the weather.", Json("""
            {"type":"object","properties":{"city":{"enum":["Oslo","Paris"]},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city","days"]}
            """)),
        AIFunctionFactory.CreateDeclaration("now", null, Json("""{"type":"object","properties":{}}""")),
    ];

    private static readonly object[] Cases =
    [
        new object[] { "auto", "", true },
        new object[] { "auto", "Hi <b>there</b>\n<tool", true },
        new object[] { "auto", WeatherCall, true },
        new object[] { "auto", WeatherCall + "\n" + NowCall, true },
        new object[] { "auto", "日本 🙂\n\n" + NowCall + "\n" + WeatherCall, true },
        new object[] { "auto", "Hi <tool_call> x", false },
        new object[] { "auto", "Hi" + NowCall, false },
        new object[] { "auto", NowCall + "\nbye", false },
        new object[] { "auto", "Hi\n" + WeatherCall.Replace("Oslo", "Rome", StringComparison.Ordinal), false },
        new object[] { "auto", WeatherCall.Replace("\"city\": \"Oslo\", ", "", StringComparison.Ordinal), false },
        new object[] { "auto", NowCall.Replace("{}", "{\"x\": 1}", StringComparison.Ordinal), false },
        new object[] { "auto one", "Hi\n" + NowCall, true },
        new object[] { "auto one", NowCall + "\n" + NowCall, false },
        new object[] { "any", NowCall + "\n" + WeatherCall, true },
        new object[] { "any", "", false },
        new object[] { "any", "Hi", false },
        new object[] { "now", NowCall, true },
        new object[] { "now", WeatherCall, false },
        new object[] { "json", "{\"ok\":true}", true },
        new object[] { "json", NowCall, true },
        new object[] { "json", "Hi", false },
    ];

    private GrammarModel _grammars = null!;

    [OneTimeSetUp]
    public void Load() => _grammars = new GrammarModel(Nano.Model.Vocabulary, Nano.Model.Manifest.VocabularySize, Nano.Model.Manifest.EndTokenIds);

    [OneTimeTearDown]
    public void Dispose() => _grammars.Dispose();

    [TestCaseSource(nameof(Cases))]
    public void Grammar_Answer_IsAcceptedOrNot(string mode, string answer, bool accepted)
    {
        using Grammar grammar = _grammars.Create(GrammarOf(mode), 512);
        int end = Nano.Model.Manifest.EndTokenIds[0];
        float[] scores = new float[Nano.Model.Manifest.VocabularySize];

        // It takes the highest score that it allows: the wanted token, if it is allowed.
        bool taken = Nano.Model.Tokenizer.Encode(answer).Append(end).All(wanted =>
        {
            Array.Clear(scores);
            scores[wanted] = 100;
            return grammar.Choose(scores) == wanted;
        });

        Assert.That(taken, Is.EqualTo(accepted));
    }

    [Test]
    public async Task Model_MustCall_CallsAtAnyTemperature([Values("any", "now")] string mode)
    {
        using VlmChatClient client = new(Nano.Model);
        for (int seed = 0; seed < 5; seed++)
        {
            ChatResponse response = await client.GetResponseAsync([new(ChatRole.User, "hello")], Options(mode, seed));

            FunctionCallContent call = (FunctionCallContent)response.Messages.Single().Contents.Single();
            Assert.That(response.FinishReason, Is.EqualTo(ChatFinishReason.ToolCalls));
            Assert.That(call.Name, mode == "now" ? Is.EqualTo("now") : Is.AnyOf("now", "weather"));
            if (call.Name == "weather")
            {
                Assert.That(((JsonElement)call.Arguments!["city"]!).GetString(), Is.AnyOf("Oslo", "Paris"));
                Assert.That(((JsonElement)call.Arguments["days"]!).GetInt32(), Is.InRange(1, 9));
            }
        }
    }

    [Test]
    public async Task Model_Auto_NeverLeavesTheGrammar([Values("auto", "json")] string mode)
    {
        using VlmChatClient client = new(Nano.Model);
        for (int seed = 0; seed < 5; seed++)
        {
            ChatResponse response = await client.GetResponseAsync([new(ChatRole.User, "hello")], Options(mode, seed));

            Assert.That(response.Text, Does.Not.Contain("<tool_call>"));
            bool called = response.Messages.Single().Contents.Any(content => content is FunctionCallContent);
            if (mode == "json" && !called)
                Assert.That(response.Text, Is.AnyOf("{\"ok\":true}", "{\"ok\":false}"));
            if (response.FinishReason != ChatFinishReason.Length)
                Assert.That(response.FinishReason, Is.EqualTo(called ? ChatFinishReason.ToolCalls : ChatFinishReason.Stop));
        }
    }

    [Test]
    public async Task Grammar_RandomFunctions_ArgumentsAreValid()
    {
        Random random = new(12);
        // Without the functions in the prompt: the model's context is too small for some of them.
        Prompt prompt = Nano.Model.CreatePrompt([new(ChatRole.User, "hello")]);
        for (int i = 0; i < 20; i++)
        {
            string[] schemas = [.. Enumerable.Range(0, 1 + random.Next(3)).Select(_ => RandomSchema.Object(random).ToJsonString())];
            AIFunctionDeclaration[] functions = [.. schemas.Select((schema, k) => AIFunctionFactory.CreateDeclaration($"f{k}", null, Json(schema)))];
            Guidance guidance = HermesSyntax.Instance.CreateGrammar(new ToolSet(functions, functions, MustCall: true, AllowMany: false), null);
            GenerationOptions options = new() { Guidance = guidance, Temperature = 1.5, Seed = i, MaxNewTokens = 1500 };

            List<GenerationUpdate> updates = await Nano.Model.GenerateAsync(prompt, options).ToListAsync();
            string answer = string.Concat(updates.Select(update => update.Text));

            FunctionCallContent call = (FunctionCallContent)new ToolCallReader().Read(answer, null, isLast: true, []).Single();
            JsonElement arguments = JsonSerializer.SerializeToElement(call.Arguments, AIJsonUtilities.DefaultOptions);
            Assert.That(JsonSchema.FromText(schemas[call.Name[1] - '0']).Evaluate(arguments).IsValid, Is.True, $"{guidance.Grammar}\n{answer}");
        }
    }

    [Test]
    public async Task Model_ConversationWithCalls_IsReadAndContinued()
    {
        using VlmChatClient client = new(Nano.Model);
        List<ChatMessage> messages = [new(ChatRole.User, "What time is it?")];
        ChatOptions options = Options("now", seed: 1);

        ChatResponse first = await client.GetResponseAsync(messages, options);
        messages.AddMessages(first);
        messages.Add(new(ChatRole.Tool, [new FunctionResultContent(first.Messages[0].Contents.OfType<FunctionCallContent>().Single().CallId, "12:00")]));
        ChatResponse second = await client.GetResponseAsync(messages, Options("auto", seed: 1));

        Assert.That(second.Usage!.InputTokenCount, Is.GreaterThan(first.Usage!.InputTokenCount!.Value));
    }

    [Test]
    public void Model_SchemaThatCannotBeCompiled_IsAClearError()
    {
        using VlmChatClient client = new(Nano.Model);
        AIFunctionDeclaration function = AIFunctionFactory.CreateDeclaration("f", null, Json("""{"type":"object","properties":{"a":{"type":"no such type"}}}"""));

        Assert.That(
            async () => await client.GetResponseAsync("hello", new ChatOptions { Tools = [function] }),
            Throws.ArgumentException.With.Message.Contains("function \"f\": parameters.properties.a.type").And.Message.Contains("no such type"));
    }

    private static ChatOptions Options(string mode, int seed) => new()
    {
        Tools = [.. Functions],
        ToolMode = mode switch
        {
            "any" => ChatToolMode.RequireAny,
            "now" => ChatToolMode.RequireSpecific("now"),
            _ => ChatToolMode.Auto,
        },
        AllowMultipleToolCalls = false,
        ResponseFormat = mode == "json" ? ChatResponseFormat.ForJsonSchema(Json(AnswerSchema)) : null,
        Temperature = 1.5f,
        Seed = seed,
        MaxOutputTokens = 120,
    };

    private static Guidance GrammarOf(string mode)
    {
        ChatOptions options = Options(mode, seed: 0);
        options.AllowMultipleToolCalls = mode != "auto one";
        return HermesSyntax.Instance.CreateGrammar(ToolSet.Create(options)!, mode == "json" ? Guidance.JsonSchema(AnswerSchema) : null);
    }

    private static JsonElement Json(string json) => JsonDocument.Parse(json).RootElement;
}
