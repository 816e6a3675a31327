using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Chat;

internal sealed class ToolTests
{
    private const string WeatherCall = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\", \"days\": 3}}\n</tool_call>";
    private const string NowCall = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";

    // The same as the deltas tell it: name and arguments.
    private const string ToldWeather = "weather {\"city\": \"Oslo\", \"days\": 3}";
    private const string ToldNow = "now {}";

    private static readonly ChatMessage[] Question = [new(ChatRole.User, "weather?")];
    private static readonly AIFunction Weather = AIFunctionFactory.Create(GetWeather, "weather");
    private static readonly AIFunction Now = AIFunctionFactory.Create(() => "12:00", "now");

    [Test]
    public async Task Tools_Auto_AreDescribedAfterTheSystemMessage()
    {
        ScriptedChatModel model = new(["fine"]);
        using VlmChatClient client = new(model);

        ChatResponse response = await client.GetResponseAsync([new(ChatRole.System, "s"), .. Question], new ChatOptions { Tools = [Weather, Now], Instructions = "i" });

        Assert.That(model.Seen[0], Does.StartWith("system: i\n\ns\n\n# Tools\n"));
        Assert.That(model.Seen[0], Does.Contain("""
            <tools>
            {"type": "function", "function": {"name": "weather", "description": "Tells the weather.", "parameters": {
            """));
        Assert.That(model.Seen[0].Split('\n').Count(line => line.StartsWith("{\"type\": \"function\"", StringComparison.Ordinal)), Is.EqualTo(2));
        Assert.That(model.Seen[1], Is.EqualTo("user: weather?"));
        Assert.That(response.Text, Is.EqualTo("fine"));
        Assert.That(response.FinishReason, Is.EqualTo(ChatFinishReason.Stop));
    }

    [Test]
    public async Task ToolMode_None_HidesTheTools()
    {
        ScriptedChatModel model = new(["<tool_call> is only text"]);
        using VlmChatClient client = new(model);

        ChatResponse response = await client.GetResponseAsync(Question, new ChatOptions { Tools = [Weather], ToolMode = ChatToolMode.None });

        Assert.That(model.Seen, Is.EqualTo(new[] { "user: weather?" }));
        Assert.That(model.Options[0].Guidance, Is.Null);
        Assert.That(response.Text, Is.EqualTo("<tool_call> is only text"));
    }

    [Test]
    public async Task ToolMode_Each_HasItsGrammar()
    {
        ScriptedChatModel model = new([NowCall]);
        using VlmChatClient client = new(model);

        Assert.That(await GrammarFor(ChatToolMode.Auto, null), Does.StartWith("start: TEXT | lead body after | calls\n").And.Contains("(\"\\n\" calls)?"));
        Assert.That(await GrammarFor(null, false), Does.StartWith("start: TEXT").And.Not.Contains("(\"\\n\" calls)?"));
        Assert.That(await GrammarFor(ChatToolMode.RequireAny, null), Does.StartWith("start: calls\n").And.Contains("weather").And.Contains("now").And.Contains("(\"\\n\" calls)?"));
        string one = await GrammarFor(ChatToolMode.RequireSpecific("now"), null);
        Assert.That(one, Does.StartWith("start: calls\n").And.Contains("now").And.Not.Contains("weather").And.Not.Contains("(\"\\n\" calls)?"));
        Assert.That(await GrammarFor(ChatToolMode.RequireSpecific("now"), true), Does.Contain("(\"\\n\" calls)?"));

        async Task<string> GrammarFor(ChatToolMode? mode, bool? many)
        {
            await client.GetResponseAsync(Question, new ChatOptions { Tools = [Weather, Now], ToolMode = mode, AllowMultipleToolCalls = many });
            return model.Options[^1].Guidance!.Grammar;
        }
    }

    [Test]
    public async Task ResponseFormat_WithTools_IsPartOfTheGrammar()
    {
        ScriptedChatModel model = new(["{}"]);
        using VlmChatClient client = new(model);

        await client.GetResponseAsync(Question, new ChatOptions { Tools = [Now], ResponseFormat = ChatResponseFormat.Json });

        Assert.That(model.Options[0].Guidance!.Grammar, Does.StartWith("start: answer | calls\nanswer: %json {\"type\":\"object\""));
    }

    [Test]
    public void Tools_ThatCannotBeHonoured_AreRefused()
    {
        using VlmChatClient client = new(new ScriptedChatModel(["x"]));

        Refuses(new() { Tools = [new HostedWebSearchTool()] }, "HostedWebSearchTool");
        Refuses(new() { Tools = [Now, Now] }, "\"now\"");
        Refuses(new() { ToolMode = ChatToolMode.RequireAny }, "no Tools");
        Refuses(new() { Tools = [Now], ToolMode = ChatToolMode.RequireSpecific("then") }, "\"then\"");
        Refuses(new() { Tools = [Now], AdditionalProperties = new() { [ChatProperties.Regex] = "a" } }, "regular expression");

        void Refuses(ChatOptions options, string why) =>
            Assert.That(() => { _ = client.GetStreamingResponseAsync(Question, options); }, Throws.ArgumentException.With.Message.Contains(why));
    }

    [Test]
    public async Task Streaming_AnyCutting_GivesTheSameTextAndCalls()
    {
        (string Answer, string Text, string[] Calls, string[] Told)[] cases =
        [
            ("", "", [], []),
            ("Hello <tool", "Hello <tool", [], []),
            ("a\n<b>\n", "a\n<b>\n", [], []),
            (WeatherCall, "", ["weather"], [ToldWeather]),
            (WeatherCall + "\n" + NowCall, "", ["weather", "now"], [ToldWeather, ToldNow]),
            ("Let me see.\n" + NowCall, "Let me see.", ["now"], [ToldNow]),
            ("<tool\n\n" + NowCall + "\n" + WeatherCall, "<tool\n", ["now", "weather"], [ToldNow, ToldWeather]),
            // Cut off in the second call: as a whole it never comes.
            (NowCall + "\n" + WeatherCall[..^3], "", ["now"], [ToldNow, ToldWeather]),
            (NowCall + "\n" + WeatherCall[..^20], "", ["now"], [ToldNow, ToldWeather[..^6]]),
            (WeatherCall[..20], "", [], []),
        ];
        Random random = new(8);
        foreach ((string answer, string text, string[] calls, string[] told) in cases)
        {
            for (int round = 0; round < 50; round++)
            {
                using VlmChatClient client = new(new ScriptedChatModel(Cut(answer, random)));

                List<ChatResponseUpdate> updates = await client.GetStreamingResponseAsync(Question, new ChatOptions { Tools = [Weather, Now] }).ToListAsync();

                AIContent[] contents = [.. updates.SelectMany(update => update.Contents)];
                Assert.That(string.Concat(contents.OfType<TextContent>()), Is.EqualTo(text));
                Assert.That(contents.OfType<FunctionCallContent>().Select(call => call.Name), Is.EqualTo(calls));
                Assert.That(contents.SkipWhile(content => content is TextContent).OfType<TextContent>(), Is.Empty, "text after a call");
                ToolCallDelta[] deltas = [.. updates.SelectMany(update => (ToolCallDelta[]?)update.AdditionalProperties?[ChatProperties.ToolCallDeltas] ?? [])];
                Assert.That(deltas.GroupBy(delta => delta.Index).Select(call => $"{call.First().Name} {string.Concat(call.Select(delta => delta.Arguments))}"), Is.EqualTo(told));
                Assert.That(contents.OfType<FunctionCallContent>().Select(call => call.CallId), Is.EqualTo(deltas.Select(delta => delta.CallId).OfType<string>().Take(calls.Length)));
            }
        }
    }

    [Test]
    public async Task Conversation_WithCallsAndResults_IsWrittenAsTheModelWroteIt()
    {
        ScriptedChatModel model = new(["Let me see.\n" + WeatherCall + "\n" + NowCall], ["done"]);
        using VlmChatClient client = new(model);
        List<ChatMessage> messages = [.. Question];
        ChatOptions options = new() { Tools = [Weather, Now] };

        ChatResponse first = await client.GetResponseAsync(messages, options);
        messages.AddMessages(first);
        FunctionCallContent[] calls = [.. first.Messages.Single().Contents.OfType<FunctionCallContent>()];
        messages.Add(new(ChatRole.Tool, [new FunctionResultContent(calls[0].CallId, "sunny"), new FunctionResultContent(calls[1].CallId, new { Hour = 12 })]));
        await client.GetResponseAsync(messages, options);

        Assert.That(model.Seen[1..], Is.EqualTo(new[]
        {
            "user: weather?", $"assistant: Let me see.\n{WeatherCall}\n{NowCall}", "tool: sunny", "tool: {\"hour\": 12}",
        }));
    }

    [Test]
    public async Task FunctionResult_OfAnyKind_ReachesTheModel()
    {
        ScriptedChatModel model = new(["ok"]);
        using VlmChatClient client = new(model);
        object?[] results =
        [
            "text", JsonSerializer.SerializeToElement("a \"b\""), JsonSerializer.SerializeToElement(new[] { 1, 2 }), 1.5, true, null, new TextContent("t"),
            new AIContent[] { new DataContent(new byte[4], "image/png"), new TextContent("page 1") },
        ];

        FunctionResultContent failed = new("id", null) { Exception = new InvalidOperationException("secret") };
        await client.GetResponseAsync([new(ChatRole.Tool, [.. results.Select(result => new FunctionResultContent("id", result)), failed])]);

        Assert.That(model.Seen, Is.EqualTo(new[]
        {
            "tool: text", "tool: a \"b\"", "tool: [1, 2]", "tool: 1.5", "tool: true", "tool: null", "tool: t", "tool: <image/png 4>page 1", "tool: Error: the function failed.",
        }));
    }

    [Test]
    public async Task Arguments_OfAnyKind_ComeBackAsTheyWere()
    {
        const string Json = """{"text": "a \"b\" \\ \n é 日本 🙂 <tool_call>", "number": 1.50, "big": 12345678901234567890, "none": null, "list": [1, [], {}], "map": {"a": {}}}""";
        string answer = $"<tool_call>\n{{\"name\": \"any\", \"arguments\": {Json}}}\n</tool_call>";
        ScriptedChatModel model = new([answer], ["ok"]);
        using VlmChatClient client = new(model);
        ChatOptions options = new() { Tools = [AIFunctionFactory.Create(() => 1, "any")] };

        ChatResponse response = await client.GetResponseAsync(Question, options);
        await client.GetResponseAsync(response.Messages, options);

        Assert.That(model.Seen[1], Is.EqualTo("assistant: " + answer));
    }

    [Test]
    public async Task FunctionInvocation_Middleware_CallsTheFunctionAndAsksAgain([Values] bool streaming)
    {
        ScriptedChatModel model = new(Cut(WeatherCall, new Random(1)), ["It is ", "sunny."]);
        using IChatClient client = new VlmChatClient(model).AsBuilder().UseFunctionInvocation().Build();
        ChatOptions options = new() { Tools = [Weather], ToolMode = ChatToolMode.RequireAny };

        ChatResponse response = streaming
            ? await client.GetStreamingResponseAsync(Question, options).ToChatResponseAsync()
            : await client.GetResponseAsync(Question, options);

        Assert.That(response.Text, Is.EqualTo("It is sunny."));
        Assert.That(model.Conversations, Has.Count.EqualTo(2));
        Assert.That(model.Seen[1..], Is.EqualTo(new[] { "user: weather?", "assistant: " + WeatherCall, "tool: sunny in Oslo for 3 days" }));
        Assert.That(model.Options[1].Guidance!.Grammar, Does.StartWith("start: TEXT"), "the middleware asks for a call only once");
        Assert.That(response.Usage!.InputTokenCount, Is.EqualTo(10));
    }

    [Test]
    public async Task Tools_OfATemplateThatKnowsThem_AreLeftToIt()
    {
        ScriptedChatModel model = new([NowCall], ["done"]) { UsesTools = true };
        using VlmChatClient client = new(model);
        List<ChatMessage> messages = [new(ChatRole.System, "s"), .. Question];
        ChatOptions options = new() { Tools = [Weather, Now], Instructions = "Be brief." };

        messages.AddMessages(await client.GetResponseAsync(messages, options));
        string id = messages[^1].Contents.OfType<FunctionCallContent>().Single().CallId;
        messages.Add(new(ChatRole.Tool, [new FunctionResultContent(id, new { Hour = 12 })]));
        await client.GetResponseAsync(messages, options);

        Assert.That(model.Prompting.Select(prompting => prompting.Tools.Select(tool => tool.Name)), Is.All.EqualTo(new[] { "weather", "now" }));
        ChatMessage[] seen = model.Conversations[^1];
        Assert.That(seen[0].Contents.Single().ToString(), Is.EqualTo("Be brief.\n\ns"));
        Assert.That(seen[2].Contents.Single(), Is.InstanceOf<FunctionCallContent>().With.Property("Name").EqualTo("now"));
        FunctionResultContent result = (FunctionResultContent)seen[3].Contents.Single();
        Assert.That((result.CallId, string.Concat((IEnumerable<AIContent>)result.Result!)), Is.EqualTo((id, "{\"hour\": 12}")));
    }

    private static string[] Cut(string text, Random random)
    {
        List<string> pieces = [];
        for (int start = 0, length; start < text.Length; start += length)
        {
            length = Math.Min(1 + random.Next(12), text.Length - start);
            pieces.Add(text.Substring(start, length));
        }
        return [.. pieces];
    }

    [System.ComponentModel.Description("Tells the weather.")]
    private static string GetWeather(string city, int days) => $"sunny in {city} for {days} days";
}
