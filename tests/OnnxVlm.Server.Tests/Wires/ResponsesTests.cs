using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Server.Tests.Support;
using OnnxVlm.Server.Wires.Responses;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Server.Tests.Wires;

/// <summary>POST /v1/responses: its items, its events in order, what is kept, and what is refused.</summary>
internal sealed partial class ResponsesTests
{
    private const string Call = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>";

    private static readonly object[] Tools = [new { type = "function", name = "weather", description = "The weather.", parameters = new { type = "object", properties = new { city = new { type = "string" } }, required = new[] { "city" } }, strict = true }];

    private static readonly string[] Logprobs = ["message.output_text.logprobs"], Encrypted = ["reasoning.encrypted_content"];

    [Test]
    public async Task Text_Whole_HasEveryFieldOfAResponse()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["Hello", " you"]));

        Reply reply = await service.PostAsync("/v1/responses", new { model = "nano", input = "Hi", instructions = "Be brief.", max_output_tokens = 20, metadata = new { a = "b" } });

        JsonElement body = reply.Json;
        Assert.That(body.EnumerateObject().Select(field => field.Name), Is.SupersetOf(new[]
        {
            "id", "object", "created_at", "completed_at", "status", "background", "error", "incomplete_details", "instructions", "max_output_tokens", "max_tool_calls", "model", "output", "parallel_tool_calls",
            "previous_response_id", "reasoning", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "usage", "user", "metadata", "service_tier",
        }));
        Assert.That((body.GetProperty("object").GetString(), body.GetProperty("status").GetString(), body.GetProperty("instructions").GetString()), Is.EqualTo(("response", "completed", "Be brief.")));
        Assert.That(body.GetProperty("metadata").GetProperty("a").GetString(), Is.EqualTo("b"));
        JsonElement message = body.GetProperty("output").EnumerateArray().Single(), part = message.GetProperty("content").EnumerateArray().Single();
        Assert.That((message.GetProperty("type").GetString(), message.GetProperty("role").GetString(), message.GetProperty("status").GetString()), Is.EqualTo(("message", "assistant", "completed")));
        Assert.That((part.GetProperty("type").GetString(), part.GetProperty("text").GetString(), part.GetProperty("annotations").GetArrayLength()), Is.EqualTo(("output_text", "Hello you", 0)));
        JsonElement usage = body.GetProperty("usage");
        Assert.That((usage.GetProperty("input_tokens").GetInt32(), usage.GetProperty("input_tokens_details").GetProperty("cached_tokens").GetInt32(), usage.GetProperty("output_tokens").GetInt32(), usage.GetProperty("total_tokens").GetInt32()), Is.EqualTo((5, 3, 2, 7)));
    }

    [Test]
    public async Task Stream_OfReasoningTextAndACall_HasTheEventsInOrder()
    {
        ScriptedChatModel model = new(["think", "ing", "Let me see", "\n", .. Call.Select(c => c.ToString())]) { CanReason = true, ReasoningPieces = 2 };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply reply = await service.PostAsync("/v1/responses", new { model = "nano", input = "Hi", stream = true, tools = Tools, reasoning = new { effort = "low" } });

        JsonElement[] events = [.. reply.Events.Select(data => JsonElement.Parse(data))];
        Assert.That(events.Select(of => of.GetProperty("sequence_number").GetInt32()), Is.EqualTo(Enumerable.Range(0, events.Length)));
        Assert.That(NameLine().Matches(reply.Text).Select(match => match.Groups[1].Value), Is.EqualTo(events.Select(of => of.GetProperty("type").GetString())));
        Assert.That(Compact(events), Is.EqualTo(new[]
        {
            "response.created", "response.in_progress",
            "response.output_item.added", "response.content_part.added", "response.reasoning_text.delta", "response.reasoning_text.done", "response.content_part.done", "response.output_item.done",
            "response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.done", "response.content_part.done", "response.output_item.done",
            "response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done",
            "response.completed",
        }));
        JsonElement completed = events[^1].GetProperty("response");
        Assert.That(completed.GetProperty("output").EnumerateArray().Select(item => item.GetProperty("type").GetString()), Is.EqualTo(new[] { "reasoning", "message", "function_call" }));
        foreach ((int index, JsonElement item) in completed.GetProperty("output").EnumerateArray().Index())
        {
            JsonElement[] ofItem = [.. events.Where(of => of.TryGetProperty("output_index", out JsonElement number) && number.GetInt32() == index)];
            Assert.That(ofItem[^1].GetProperty("item").GetRawText(), Is.EqualTo(item.GetRawText()));
            string text = string.Concat(ofItem.Where(of => of.TryGetProperty("delta", out _)).Select(of => of.GetProperty("delta").GetString()));
            Assert.That(text, Is.EqualTo(index switch { 0 => "thinking", 1 => "Let me see", _ => "{\"city\": \"Rome\"}" }));
            Assert.That(ofItem.Where(of => of.TryGetProperty("item_id", out _)).Select(of => of.GetProperty("item_id").GetString()), Is.All.EqualTo(item.GetProperty("id").GetString()));
        }
        Assert.That(completed.GetProperty("usage").GetProperty("output_tokens_details").GetProperty("reasoning_tokens").GetInt32(), Is.EqualTo(2));
    }

    [Test]
    public async Task Stream_OfALongAnswer_WritesEachPieceOnce()
    {
        string[] pieces = [.. Enumerable.Range(0, 2000).Select(i => $"word{i} ")];
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(pieces));

        Reply reply = await service.PostAsync("/v1/responses", new { model = "nano", input = "Hi", stream = true });

        // A few times the text: in the deltas, and whole in four events at the end.
        Assert.That(Regex.Count(reply.Text, "word1000 "), Is.EqualTo(5));
    }

    [Test]
    public async Task Tools_TwoRoundsByItems_GiveTheModelCallAndResult()
    {
        ScriptedChatModel model = new([Call], ["It is sunny."]) { UsesTools = true };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply first = await service.PostAsync("/v1/responses", new { model = "nano", input = "Weather?", tools = Tools, store = false });
        JsonElement call = first.Json.GetProperty("output").EnumerateArray().Single();
        Reply second = await service.PostAsync("/v1/responses", new
        {
            model = "nano",
            tools = Tools,
            store = false,
            input = new object[] { new { role = "user", content = "Weather?" }, call, new { type = "function_call_output", call_id = call.GetProperty("call_id").GetString(), output = "sunny" } },
        });

        Assert.That(TextOf(second), Is.EqualTo("It is sunny."), second.Text);
        Assert.That(model.Conversations[1].Select(message => message.Role), Is.EqualTo(new[] { ChatRole.User, ChatRole.Assistant, ChatRole.Tool }));
        Assert.That(model.Conversations[1][1].Contents.OfType<FunctionCallContent>().Single().Arguments!["city"]!.ToString(), Is.EqualTo("Rome"));
    }

    [Test]
    public async Task PreviousResponse_Named_GoesOnWithoutItsInstructions()
    {
        ScriptedChatModel model = new([Call], ["It is sunny."], ["Bye"]) { UsesTools = true };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply first = await service.PostAsync("/v1/responses", new { model = "nano", input = "Weather?", tools = Tools, instructions = "Be brief." });
        string callId = first.Json.GetProperty("output")[0].GetProperty("call_id").GetString()!;
        Reply second = await service.PostAsync("/v1/responses", new { model = "nano", previous_response_id = Id(first), tools = Tools, stream = true, input = new object[] { new { type = "function_call_output", call_id = callId, output = "sunny" } } });
        string secondId = JsonElement.Parse(second.Events[^1]).GetProperty("response").GetProperty("id").GetString()!;
        Reply third = await service.PostAsync("/v1/responses", new { model = "nano", previous_response_id = secondId, input = "Thanks" });

        Assert.That(TextOf(third), Is.EqualTo("Bye"), third.Text);
        Assert.That(model.Conversations[0][0].Role, Is.EqualTo(ChatRole.System));
        Assert.That(model.Conversations[2].Select(message => message.Role), Is.EqualTo(new[] { ChatRole.User, ChatRole.Assistant, ChatRole.Tool, ChatRole.Assistant, ChatRole.User }));
        Assert.That(model.Conversations[2][3].Text, Is.EqualTo("It is sunny."));
    }

    [Test]
    public async Task ItemReference_OfAStoredItem_StandsForIt()
    {
        ScriptedChatModel model = new(["Hello"], ["Bye"]);
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));
        Reply first = await service.PostAsync("/v1/responses", new { model = "nano", input = "Hi" });
        string item = first.Json.GetProperty("output")[0].GetProperty("id").GetString()!;

        Reply second = await service.PostAsync("/v1/responses", new { model = "nano", input = new object[] { new { role = "user", content = "Hi" }, new { type = "item_reference", id = item }, new { role = "user", content = "Thanks" } } });

        Assert.That(second.Status, Is.EqualTo(HttpStatusCode.OK), second.Text);
        Assert.That(model.Seen, Is.EqualTo(new[] { "user: Hi", "assistant: Hello", "user: Thanks" }));
    }

    [Test]
    public async Task Store_False_KeepsNothing()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["Hello"]));
        Reply first = await service.PostAsync("/v1/responses", new { model = "nano", input = "Hi", store = false });

        Reply get = await service.GetAsync($"/v1/responses/{Id(first)}"), next = await service.PostAsync("/v1/responses", new { model = "nano", input = "Hi", previous_response_id = Id(first) });
        Reply reference = await service.PostAsync("/v1/responses", new { model = "nano", input = new[] { new { type = "item_reference", id = first.Json.GetProperty("output")[0].GetProperty("id").GetString() } } });

        Assert.That(first.Json.GetProperty("store").GetBoolean(), Is.False);
        Assert.That((get.Status, next.Status, next.ErrorParam), Is.EqualTo((HttpStatusCode.NotFound, HttpStatusCode.NotFound, "previous_response_id")));
        Assert.That((reference.Status, reference.ErrorParam), Is.EqualTo((HttpStatusCode.NotFound, "input[0].id")));
        Assert.That(service.Get<ResponseStore>().Bytes, Is.Zero);
    }

    [Test]
    public async Task StoredResponse_GotAndDeleted_IsGone()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["Hello"]));
        Reply first = await service.PostAsync("/v1/responses", new { model = "nano", input = "Hi" });

        Reply get = await service.GetAsync($"/v1/responses/{Id(first)}");
        using HttpResponseMessage deleted = await service.Client.DeleteAsync(new Uri($"/v1/responses/{Id(first)}", UriKind.Relative)), again = await service.Client.DeleteAsync(new Uri($"/v1/responses/{Id(first)}", UriKind.Relative));

        Assert.That(get.Text, Is.EqualTo(first.Text));
        Assert.That((deleted.StatusCode, again.StatusCode), Is.EqualTo((HttpStatusCode.OK, HttpStatusCode.NotFound)));
        Assert.That(service.Get<ResponseStore>().Bytes, Is.Zero);
    }

    [Test]
    public async Task Image_InAMessageAndInAToolsOutput_ReachesTheModel()
    {
        Reply reply = await SharedService.Service.PostAsync("/v1/responses", new
        {
            model = "nano",
            max_output_tokens = 30,
            input = new object[] { new { role = "user", content = new object[] { new { type = "input_image", image_url = Nano.SampleUri, detail = "auto" }, new { type = "input_text", text = "What does the text say?" } } } },
        });
        Reply chat = await SharedService.Service.ChatAsync(new object[] { new { type = "image_url", image_url = new { url = Nano.SampleUri } }, new { type = "text", text = "What does the text say?" } }, new { max_tokens = 30 });
        ScriptedChatModel model = new(["x"]) { UsesTools = true };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));
        await service.PostAsync("/v1/responses", new { model = "nano", input = new object[] { new { role = "user", content = "x" }, new { type = "function_call", call_id = "a", name = "f", arguments = "{}" }, new { type = "function_call_output", call_id = "a", output = new object[] { new { type = "input_image", image_url = Nano.SampleUri } } } } });

        Assert.That(TextOf(reply), Is.EqualTo(chat.Content), reply.Text);
        Assert.That(((IEnumerable<AIContent>)model.Conversations[0][2].Contents.OfType<FunctionResultContent>().Single().Result!).Single(), Is.InstanceOf<DataContent>());
    }

    [Test]
    public async Task TextFormat_Schema_IsFollowed()
    {
        Reply reply = await SharedService.Service.PostAsync("/v1/responses", new { model = "nano", input = "x", text = new { format = new { type = "json_schema", name = "a", strict = true, schema = new { type = "object", properties = new { a = new { @enum = new[] { 7 } } }, required = new[] { "a" } } }, verbosity = "low" } });

        Assert.That(JsonElement.Parse(TextOf(reply)).GetProperty("a").GetInt32(), Is.EqualTo(7), reply.Text);
        Assert.That(reply.Json.GetProperty("text").GetProperty("format").GetProperty("name").GetString(), Is.EqualTo("a"));
    }

    [Test]
    public async Task Answer_CutOff_IsIncomplete()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(new ScriptedChatModel(["Hello"]) { FinishReason = FinishReason.Length }));

        Reply whole = await service.PostAsync("/v1/responses", new { model = "nano", input = "x" }), stream = await service.PostAsync("/v1/responses", new { model = "nano", input = "x", stream = true });

        JsonElement last = JsonElement.Parse(stream.Events[^1]);
        Assert.That(last.GetProperty("type").GetString(), Is.EqualTo("response.incomplete"));
        foreach (JsonElement response in new[] { whole.Json, last.GetProperty("response") })
        {
            Assert.That((response.GetProperty("status").GetString(), response.GetProperty("incomplete_details").GetProperty("reason").GetString(), response.GetProperty("output")[0].GetProperty("status").GetString()), Is.EqualTo(("incomplete", "max_output_tokens", "incomplete")));
        }
    }

    [Test]
    public async Task Reasoning_WithEncryptedContent_ComesBackToTheModel()
    {
        ScriptedChatModel model = new(["thought", "answer"], ["done"]) { CanReason = true, ReasoningPieces = 1, UsesTools = true };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));
        Reply first = await service.PostAsync("/v1/responses", new { model = "nano", input = "x", store = false, include = Encrypted });
        JsonElement item = first.Json.GetProperty("output")[0];

        Reply second = await service.PostAsync("/v1/responses", new { model = "nano", store = false, input = new object[] { new { role = "user", content = "x" }, new { type = "reasoning", id = item.GetProperty("id").GetString(), summary = Array.Empty<object>(), encrypted_content = item.GetProperty("encrypted_content").GetString() }, first.Json.GetProperty("output")[1], new { role = "user", content = "y" } } });

        Assert.That(item.GetProperty("content")[0].GetProperty("text").GetString(), Is.EqualTo("thought"));
        Assert.That(second.Status, Is.EqualTo(HttpStatusCode.OK), second.Text);
        Assert.That(model.Conversations[1][1].Contents.Select(content => content.GetType()), Is.EqualTo(new[] { typeof(TextReasoningContent), typeof(TextContent) }));
    }

    [Test]
    public async Task Logprobs_Included_AreThoseOfTheTokens()
    {
        Reply reply = await SharedService.Service.PostAsync("/v1/responses", new { model = "nano", input = "Hello", include = Logprobs, top_logprobs = 2, max_output_tokens = 3 });

        JsonElement[] logprobs = [.. reply.Json.GetProperty("output")[0].GetProperty("content")[0].GetProperty("logprobs").EnumerateArray()];
        Assert.That(logprobs, Is.Not.Empty, reply.Text);
        Assert.That(logprobs.Select(token => token.GetProperty("top_logprobs").GetArrayLength()), Is.All.EqualTo(2));
    }

    [Test]
    public async Task AllowedTools_Named_AreTheOnlyOnesThatAreOffered()
    {
        ScriptedChatModel model = new(["x"]) { UsesTools = true };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply reply = await service.PostAsync("/v1/responses", new { model = "nano", input = "x", tools = Tools.Append(new { type = "function", name = "other" }), tool_choice = new { type = "allowed_tools", mode = "auto", tools = new[] { new { type = "function", name = "other" } } } });

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK), reply.Text);
        Assert.That(model.Prompting.Single().Tools.Select(tool => tool.Name), Is.EqualTo(new[] { "other" }));
    }

    [Test]
    public async Task InputTokens_Counted_AreThoseOfTheAnswer()
    {
        object body = new { model = "nano", input = "Hello", instructions = "Be brief.", max_output_tokens = 1 };

        Reply count = await SharedService.Service.PostAsync("/v1/responses/input_tokens", body), answer = await SharedService.Service.PostAsync("/v1/responses", body);

        Assert.That(count.Json.GetProperty("input_tokens").GetInt32(), Is.EqualTo(answer.Json.GetProperty("usage").GetProperty("input_tokens").GetInt32()));
    }

    [TestCase("""{"input": "x", "frobnicate": 1}""", "frobnicate")]
    [TestCase("""{"input": [{"role": "user", "content": "x", "name": "y"}]}""", "input[0].name")]
    [TestCase("""{"input": [{"role": "user", "content": [{"type": "input_text", "text": "x", "size": 1}]}]}""", "input[0].content[0].size")]
    [TestCase("""{"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "x"}]}]}""", "input[0].content[0].file_id")]
    [TestCase("""{"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]}""", "input[0].content[0].type")]
    [TestCase("""{"input": [{"type": "computer_call"}]}""", "input[0].type")]
    [TestCase("""{"input": [{"type": "function_call_output", "output": "x"}]}""", "input[0].call_id")]
    [TestCase("""{"input": [{"type": "function_call", "name": "x"}]}""", "input[0]")]
    [TestCase("""{"input": [{"role": "robot", "content": "x"}]}""", "input[0].role")]
    [TestCase("""{"input": []}""", "input")]
    [TestCase("""{"input": 5}""", "input")]
    [TestCase("""{"input": "x", "tools": [{"type": "web_search"}]}""", "tools[0].type")]
    [TestCase("""{"input": "x", "tools": [{"type": "function", "name": "a b"}]}""", "tools[0].name")]
    [TestCase("""{"input": "x", "tools": [{"type": "function", "name": "a", "function": {}}]}""", "tools[0].function")]
    [TestCase("""{"input": "x", "tool_choice": "required"}""", "tool_choice")]
    [TestCase("""{"input": "x", "tool_choice": {"type": "file_search"}}""", "tool_choice")]
    [TestCase("""{"input": "x", "truncation": "auto"}""", "truncation")]
    [TestCase("""{"input": "x", "background": true}""", "background")]
    [TestCase("""{"input": "x", "include": ["file_search_call.results"]}""", "include[0]")]
    [TestCase("""{"input": "x", "top_logprobs": 2}""", "top_logprobs")]
    [TestCase("""{"input": "x", "text": {"format": {"type": "json_schema", "schema": {}}}}""", "text.format.name")]
    [TestCase("""{"input": "x", "reasoning": {"effort": "loud"}}""", "reasoning.effort")]
    [TestCase("""{"input": "x", "reasoning": {"summary": "detailed"}}""", "reasoning.summary")]
    [TestCase("""{"input": "x", "max_output_tokens": 0}""", "max_output_tokens")]
    [TestCase("""{"input": "x", "metadata": {"a": 5}}""", "metadata")]
    [TestCase("""{"input": "x", "conversation": "conv_1"}""", "conversation")]
    public async Task Request_ThatCannotBeHonoured_IsRefusedByItsPath(string body, string path)
    {
        Reply reply = await SharedService.Service.PostAsync("/v1/responses", "{\"model\": \"nano\", " + body[1..]);

        Assert.That((reply.Status, reply.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, path)), reply.Text);
    }

    private static string Id(Reply reply) => reply.Json.GetProperty("id").GetString()!;

    private static string TextOf(Reply reply) => string.Concat(reply.Json.GetProperty("output").EnumerateArray().Where(item => item.GetProperty("type").GetString() == "message").SelectMany(item => item.GetProperty("content").EnumerateArray()).Select(part => part.GetProperty("text").GetString()));

    // Several of a kind in a row count as one.
    private static IEnumerable<string> Compact(IEnumerable<JsonElement> events)
    {
        string last = "";
        foreach (string type in events.Select(of => of.GetProperty("type").GetString()!))
        {
            if (type != last)
                yield return type;
            last = type;
        }
    }

    [GeneratedRegex("^event: (.*)$", RegexOptions.Multiline)]
    private static partial Regex NameLine();
}
