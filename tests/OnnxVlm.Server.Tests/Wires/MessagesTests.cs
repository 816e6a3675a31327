using System.Net;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Server.Tests.Support;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Server.Tests.Wires;

/// <summary>POST /v1/messages: its blocks, its events in order, and what is refused.</summary>
internal sealed class MessagesTests
{
    private const string Call = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>";

    private static readonly object[] Tools = [new { name = "weather", description = "The weather.", input_schema = new { type = "object", properties = new { city = new { type = "string" } }, required = new[] { "city" } } }];

    private static string Image => Convert.ToBase64String(File.ReadAllBytes(Nano.SampleImage));

    [Test]
    public async Task Text_Whole_IsAMessage()
    {
        ScriptedChatModel model = new(["Hello", " you"]);
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply reply = await service.PostAsync("/v1/messages", new { model = "nano", max_tokens = 20, system = new object[] { new { type = "text", text = "Be brief.", cache_control = new { type = "ephemeral" } } }, messages = new[] { new { role = "user", content = "Hi" } }, metadata = new { user_id = "u" } });

        JsonElement body = reply.Json, block = body.GetProperty("content").EnumerateArray().Single();
        Assert.That((body.GetProperty("type").GetString(), body.GetProperty("role").GetString(), body.GetProperty("stop_reason").GetString(), body.GetProperty("stop_sequence").ValueKind), Is.EqualTo(("message", "assistant", "end_turn", JsonValueKind.Null)));
        Assert.That((block.GetProperty("type").GetString(), block.GetProperty("text").GetString()), Is.EqualTo(("text", "Hello you")));
        JsonElement usage = body.GetProperty("usage");
        Assert.That((usage.GetProperty("input_tokens").GetInt32(), usage.GetProperty("cache_read_input_tokens").GetInt32(), usage.GetProperty("output_tokens").GetInt32()), Is.EqualTo((2, 3, 2)));
        Assert.That(model.Seen, Is.EqualTo(new[] { "system: Be brief.", "user: Hi" }));
    }

    [Test]
    public async Task Stream_OfThinkingTextAndACall_HasTheEventsInOrder()
    {
        ScriptedChatModel model = new(["think", "ing", "Let me see", "\n", .. Call.Select(c => c.ToString())]) { CanReason = true, ReasoningPieces = 2 };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply reply = await service.PostAsync("/v1/messages", new { model = "nano", max_tokens = 2000, stream = true, thinking = new { type = "enabled", budget_tokens = 1024 }, tools = Tools, messages = new[] { new { role = "user", content = "Hi" } } });

        JsonElement[] events = [.. reply.Events.Select(data => JsonElement.Parse(data))];
        string[] names = [.. reply.Text.Split('\n').Where(line => line.StartsWith("event: ", StringComparison.Ordinal)).Select(line => line[7..])];
        Assert.That(events.Select(of => of.GetProperty("type").GetString()), Is.EqualTo(names));
        Assert.That(names.Where((name, i) => i == 0 || names[i - 1] != name), Is.EqualTo(new[]
        {
            "message_start", "ping", "content_block_start", "content_block_delta", "content_block_stop", "content_block_start", "content_block_delta", "content_block_stop",
            "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop",
        }));
        Assert.That(Deltas("thinking_delta", "thinking"), Is.EqualTo("thinking"));
        Assert.That(Deltas("text_delta", "text"), Is.EqualTo("Let me see"));
        Assert.That(Deltas("input_json_delta", "partial_json"), Is.EqualTo("{\"city\": \"Rome\"}"));
        Assert.That(events.Where(of => of.TryGetProperty("index", out _)).Select(of => of.GetProperty("index").GetInt32()), Is.Ordered);
        JsonElement end = events[^2];
        Assert.That((end.GetProperty("delta").GetProperty("stop_reason").GetString(), end.GetProperty("delta").GetProperty("stop_sequence").ValueKind), Is.EqualTo(("tool_use", JsonValueKind.Null)));
        Assert.That(end.GetProperty("usage").GetProperty("output_tokens").GetInt32(), Is.Positive);

        string Deltas(string type, string field) => string.Concat(events.Where(of => of.TryGetProperty("delta", out JsonElement delta) && delta.TryGetProperty("type", out JsonElement kind) && kind.GetString() == type).Select(of => of.GetProperty("delta").GetProperty(field).GetString()));
    }

    [Test]
    public async Task Stream_OfTheShippedModel_StartsWithTheTokensOfThePrompt()
    {
        object body = new { model = "nano", max_tokens = 3, stream = true, messages = new[] { new { role = "user", content = $"Hello {Guid.NewGuid()}" } } };

        Reply count = await SharedService.Service.PostAsync("/v1/messages/count_tokens", new { model = "nano", messages = ((dynamic)body).messages }), reply = await SharedService.Service.PostAsync("/v1/messages", body);

        JsonElement usage = JsonElement.Parse(reply.Events[0]).GetProperty("message").GetProperty("usage");
        Assert.That(usage.GetProperty("input_tokens").GetInt32() + usage.GetProperty("cache_read_input_tokens").GetInt32(), Is.EqualTo(count.Json.GetProperty("input_tokens").GetInt32()));
    }

    [Test]
    public async Task Tools_TwoRounds_GiveTheModelCallAndResult()
    {
        ScriptedChatModel model = new([Call], ["It is sunny."]) { UsesTools = true };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply first = await service.PostAsync("/v1/messages", new { model = "nano", max_tokens = 200, tools = Tools, messages = new[] { new { role = "user", content = "Weather?" } } });
        JsonElement call = first.Json.GetProperty("content").EnumerateArray().Single();
        Reply second = await service.PostAsync("/v1/messages", new
        {
            model = "nano",
            max_tokens = 200,
            tools = Tools,
            messages = new object[]
            {
                new { role = "user", content = "Weather?" },
                new { role = "assistant", content = first.Json.GetProperty("content") },
                new { role = "user", content = new object[] { new { type = "tool_result", tool_use_id = call.GetProperty("id").GetString(), content = new object[] { new { type = "text", text = "sunny" }, new { type = "image", source = new { type = "base64", media_type = "image/png", data = Image } } } }, new { type = "text", text = "And now?" } } },
            },
        });

        Assert.That((first.Json.GetProperty("stop_reason").GetString(), call.GetProperty("type").GetString(), call.GetProperty("input").GetProperty("city").GetString()), Is.EqualTo(("tool_use", "tool_use", "Rome")));
        Assert.That(second.Json.GetProperty("content")[0].GetProperty("text").GetString(), Is.EqualTo("It is sunny."), second.Text);
        Assert.That(model.Conversations[1].Select(message => message.Role), Is.EqualTo(new[] { ChatRole.User, ChatRole.Assistant, ChatRole.Tool, ChatRole.User }));
        Assert.That(((IEnumerable<AIContent>)model.Conversations[1][2].Contents.OfType<FunctionResultContent>().Single().Result!).Select(part => part.GetType()), Is.EqualTo(new[] { typeof(TextContent), typeof(DataContent) }));
    }

    [TestCase("auto", null, false)]
    [TestCase("any", null, true)]
    [TestCase("tool", "weather", true)]
    [TestCase("none", null, false)]
    public async Task ToolChoice_Given_IsHonoured(string type, string? name, bool mustCall)
    {
        Reply reply = await SharedService.Service.PostAsync("/v1/messages", new { model = "nano", max_tokens = 300, tools = new[] { new { name = "weather", input_schema = new { type = "object", properties = new { city = new { @enum = new[] { "Rome" } } }, required = new[] { "city" } } } }, tool_choice = new { type, name, disable_parallel_tool_use = type == "none" ? (bool?)null : true }, messages = new[] { new { role = "user", content = "x" } } });

        bool called = reply.Json.GetProperty("content").EnumerateArray().Any(block => block.GetProperty("type").GetString() == "tool_use");
        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK), reply.Text);
        if (mustCall || type == "none")
            Assert.That(called, Is.EqualTo(mustCall), reply.Text);
    }

    [Test]
    public async Task Image_AsBase64_ReachesTheModel()
    {
        Reply reply = await SharedService.Service.PostAsync("/v1/messages", new { model = "nano", max_tokens = 30, messages = new[] { new { role = "user", content = new object[] { new { type = "image", source = new { type = "base64", media_type = "image/png", data = Image } }, new { type = "text", text = "What does the text say?" } } } } });
        Reply chat = await SharedService.Service.ChatAsync(new object[] { new { type = "image_url", image_url = new { url = Nano.SampleUri } }, new { type = "text", text = "What does the text say?" } }, new { max_tokens = 30 });

        Assert.That(reply.Json.GetProperty("content")[0].GetProperty("text").GetString(), Is.EqualTo(chat.Content), reply.Text);
    }

    [Test]
    public async Task StopSequence_Met_IsTold()
    {
        Reply free = await SharedService.Service.PostAsync("/v1/messages", new { model = "nano", max_tokens = 30, messages = new[] { new { role = "user", content = "Hello" } } });
        string text = free.Json.GetProperty("content")[0].GetProperty("text").GetString()!, stop = text[^3..];

        Reply reply = await SharedService.Service.PostAsync("/v1/messages", new { model = "nano", max_tokens = 30, stop_sequences = new[] { "never", stop }, messages = new[] { new { role = "user", content = "Hello" } } });

        Assert.That((reply.Json.GetProperty("stop_reason").GetString(), reply.Json.GetProperty("stop_sequence").GetString()), Is.EqualTo(("stop_sequence", stop)), reply.Text);
    }

    [Test]
    public async Task LastMessageOfTheAssistant_IsGoneOnWith()
    {
        ScriptedChatModel model = new(["x"]);
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        await service.PostAsync("/v1/messages", new { model = "nano", max_tokens = 20, messages = new[] { new { role = "user", content = "Hi" }, new { role = "assistant", content = "The answer is" } } });

        Assert.That(model.Prompting.Single().ContinuesLastMessage, Is.True);
    }

    [Test]
    public async Task Answer_CutOff_SaysSo()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(new ScriptedChatModel(["Hello"]) { FinishReason = FinishReason.Length }));

        Reply reply = await service.PostAsync("/v1/messages", new { model = "nano", max_tokens = 1, messages = new[] { new { role = "user", content = "Hi" } } });

        Assert.That(reply.Json.GetProperty("stop_reason").GetString(), Is.EqualTo("max_tokens"));
    }

    [TestCase("output_config")]
    [TestCase("output_format")]
    public async Task Format_Schema_IsFollowed(string field)
    {
        object format = new { type = "json_schema", schema = new { type = "object", properties = new { a = new { @enum = new[] { 7 } } }, required = new[] { "a" } } };

        Reply reply = await SharedService.Service.PostAsync("/v1/messages", new Dictionary<string, object> { ["model"] = "nano", ["max_tokens"] = 100, ["messages"] = new[] { new { role = "user", content = "x" } }, [field] = field == "output_config" ? new { format, effort = "low" } : format });

        Assert.That(JsonElement.Parse(reply.Json.GetProperty("content")[0].GetProperty("text").GetString()!).GetProperty("a").GetInt32(), Is.EqualTo(7), reply.Text);
    }

    [TestCase("/v1/messages", """{"messages": [{"role": "user", "content": "x"}]}""", 400, "invalid_request_error", "max_tokens")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "messages": []}""", 400, "invalid_request_error", "messages")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "messages": [{"role": "system", "content": "x"}]}""", 400, "invalid_request_error", "messages[0].role")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "frobnicate": 1, "messages": [{"role": "user", "content": "x"}]}""", 400, "invalid_request_error", "frobnicate")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "text", "text": "x", "size": 1}]}]}""", 400, "invalid_request_error", "messages[0].content[0].size")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]}""", 400, "invalid_request_error", "messages[0].content[0].type")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "x"}}]}]}""", 400, "invalid_request_error", "messages[0].content[0].source")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "****"}}]}]}""", 400, "invalid_request_error", "messages[0].content[0].source.data")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}]}""", 400, "invalid_request_error", "messages[0].content[0].type")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "messages": [{"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "a"}]}]}""", 400, "invalid_request_error", "messages[0].content[0].type")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "tools": [{"type": "web_search_20250305", "name": "web_search"}], "messages": [{"role": "user", "content": "x"}]}""", 400, "invalid_request_error", "tools[0].type")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "thinking": {"type": "loud"}, "messages": [{"role": "user", "content": "x"}]}""", 400, "invalid_request_error", "thinking.type")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "tool_choice": {"type": "any"}, "messages": [{"role": "user", "content": "x"}]}""", 400, "invalid_request_error", "tool_choice")]
    [TestCase("/v1/messages", """{"max_tokens": 5, "model": "other", "messages": [{"role": "user", "content": "x"}]}""", 404, "not_found_error", "model")]
    [TestCase("/v1/messages/count_tokens", """{"messages": [{"role": "user"}]}""", 400, "invalid_request_error", "messages[0].content")]
    [TestCase("/v1/messages/nothing", "{}", 404, "not_found_error", "address")]
    public async Task Request_ThatCannotBeHonoured_IsRefusedInAnthropicsForm(string path, string body, int status, string type, string names)
    {
        Reply reply = await SharedService.Service.PostAsync(path, body.Contains("\"model\"", StringComparison.Ordinal) ? body : "{\"model\": \"nano\"" + (body == "{}" ? "}" : ", " + body[1..]));

        Assert.That((int)reply.Status, Is.EqualTo(status), reply.Text);
        Assert.That((reply.Json.GetProperty("type").GetString(), reply.Error.GetProperty("type").GetString()), Is.EqualTo(("error", type)));
        Assert.That(reply.Error.GetProperty("message").GetString(), Does.Contain(names));
        Assert.That(reply.Json.GetProperty("request_id").GetString(), Is.EqualTo(reply.Headers.GetValues("request-id").Single()));
    }
}
