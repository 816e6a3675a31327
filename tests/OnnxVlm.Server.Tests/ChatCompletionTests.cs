using System.Net;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests;

/// <summary>The wire of /v1/chat/completions on the shipped model. What the model says does not matter, only that it says here what it says in process.</summary>
internal sealed class ChatCompletionTests
{
    private static readonly object[] ImageQuestion = [new { type = "image_url", image_url = new { url = Nano.SampleUri } }, new { type = "text", text = "What does the text say?" }];

    private static TestService Service => SharedService.Service;

    [Test]
    public async Task Chat_ImageQuestion_IsWhatTheModelSays()
    {
        string expected = await ModelAnswerAsync(12);

        Reply reply = await Service.ChatAsync(ImageQuestion, new { max_tokens = 12 });

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK), reply.Text);
        Assert.That(reply.Content, Is.EqualTo(expected));
        Assert.That(reply.Json.GetProperty("object").GetString(), Is.EqualTo("chat.completion"));
        Assert.That(reply.Json.GetProperty("model").GetString(), Is.EqualTo("nano"));
        Assert.That(reply.FinishReason, Is.EqualTo("stop").Or.EqualTo("length"));
        JsonElement usage = reply.Json.GetProperty("usage");
        Assert.That(usage.GetProperty("total_tokens").GetInt32(), Is.EqualTo(usage.GetProperty("prompt_tokens").GetInt32() + usage.GetProperty("completion_tokens").GetInt32()));
        Assert.That(usage.GetProperty("prompt_tokens_details").GetProperty("image_tokens").GetInt32(), Is.GreaterThan(0));
    }

    [Test]
    public async Task Chat_BareStringAsImageUrl_IsTheSameImage()
    {
        object[] bare = [new { type = "image_url", image_url = Nano.SampleUri }, ImageQuestion[1]];

        Assert.That((await Service.ChatAsync(bare, new { max_tokens = 12 })).Content, Is.EqualTo(await ModelAnswerAsync(12)));
    }

    [Test]
    public async Task Stream_Text_IsTheWholeAnswerInTheRightChunks()
    {
        string expected = await ModelAnswerAsync(12);

        Reply reply = await Service.ChatAsync(ImageQuestion, new { max_tokens = 12, stream = true });

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(reply.StreamedText(), Is.EqualTo(expected));
        Assert.That(reply.Events[^1], Is.EqualTo("[DONE]"));
        JsonElement[] chunks = reply.Chunks;
        Assert.That(chunks.Select(chunk => chunk.GetProperty("object").GetString()), Is.All.EqualTo("chat.completion.chunk"));
        Assert.That(chunks.Select(chunk => (chunk.GetProperty("id").GetString(), chunk.GetProperty("created").GetInt64())).Distinct().Count(), Is.EqualTo(1));
        JsonElement[] deltas = [.. chunks.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta"))];
        Assert.That(deltas[0].GetProperty("role").GetString(), Is.EqualTo("assistant"));
        Assert.That(deltas[0].GetProperty("content").GetString(), Is.Empty);
        Assert.That(deltas.Skip(1).Any(delta => delta.TryGetProperty("role", out _)), Is.False);
        string?[] reasons = [.. chunks.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("finish_reason").GetString())];
        Assert.That(reasons[..^1], Is.All.Null);
        Assert.That(reasons[^1], Is.EqualTo("stop").Or.EqualTo("length"));
        Assert.That(deltas[^1].EnumerateObject(), Is.Empty);
        Assert.That(chunks.Any(chunk => chunk.TryGetProperty("usage", out _)), Is.False);
    }

    [Test]
    public async Task Stream_IncludeUsage_EndsWithOneMoreChunk()
    {
        Reply reply = await Service.ChatAsync("hello", new { max_tokens = 3, stream = true, stream_options = new { include_usage = true } });

        JsonElement[] chunks = reply.Chunks;
        Assert.That(chunks[..^1].Select(chunk => chunk.GetProperty("usage").ValueKind), Is.All.EqualTo(JsonValueKind.Null));
        Assert.That(chunks[^1].GetProperty("choices").GetArrayLength(), Is.Zero);
        Assert.That(chunks[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32(), Is.InRange(1, 3));
        Assert.That(reply.Events[^1], Is.EqualTo("[DONE]"));
    }

    [Test]
    public async Task Chat_SecondTime_IsReadFromTheCache()
    {
        object question = "A question that only this test asks.";
        await Service.ChatAsync(question, new { max_tokens = 2 });

        Reply second = await Service.ChatAsync(question, new { max_tokens = 2 });

        Assert.That(second.Json.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32(), Is.GreaterThan(0));
    }

    [Test]
    public async Task Chat_ReasoningEffortNone_IsWhatHappensAnyway()
    {
        Reply reply = await Service.ChatAsync("hello", new { max_tokens = 2, reasoning_effort = "none" });

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK), reply.Text);
    }

    [TestCase("max_tokens")]
    [TestCase("max_completion_tokens")]
    public async Task Chat_MaxTokens_EndsWithLength(string name)
    {
        Dictionary<string, object> more = new() { [name] = 1, ["logit_bias"] = new Dictionary<string, int> { [$"{SharedService.Model.Manifest.EndTokenIds[0]}"] = -100 } };

        Reply reply = await Service.ChatAsync("hello", more);

        Assert.That(reply.FinishReason, Is.EqualTo("length"));
        Assert.That(reply.Json.GetProperty("usage").GetProperty("completion_tokens").GetInt32(), Is.EqualTo(1));
    }

    [Test]
    public async Task Chat_Logprobs_AreOfTheTokensOfTheText()
    {
        Reply reply = await Service.ChatAsync(ImageQuestion, new { max_tokens = 5, logprobs = true, top_logprobs = 2 });

        JsonElement[] tokens = [.. reply.Json.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content").EnumerateArray()];
        Assert.That(string.Concat(tokens.Select(token => token.GetProperty("token").GetString())), Is.EqualTo(reply.Content));
        Assert.That(tokens.Select(token => token.GetProperty("top_logprobs").GetArrayLength()), Is.All.EqualTo(2));
        Assert.That(tokens.Select(token => token.GetProperty("logprob").GetDouble()), Is.All.LessThanOrEqualTo(0));
        Assert.That(reply.Json.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("refusal").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public async Task Stream_Logprobs_AreThoseOfTheWholeAnswer()
    {
        Reply whole = await Service.ChatAsync("hello", new { max_tokens = 5, logprobs = true });

        Reply stream = await Service.ChatAsync("hello", new { max_tokens = 5, logprobs = true, stream = true });

        string[] streamed = [.. stream.Chunks.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("logprobs")).Where(logprobs => logprobs.ValueKind == JsonValueKind.Object)
            .SelectMany(logprobs => logprobs.GetProperty("content").EnumerateArray()).Select(token => token.GetProperty("token").GetString()!)];
        Assert.That(streamed, Is.Not.Empty);
        Assert.That(streamed, Is.EqualTo(whole.Json.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content").EnumerateArray().Select(token => token.GetProperty("token").GetString())));
    }

    [Test]
    public async Task Chat_SeveralAnswersWithASeed_DifferAndCanBeHadAgain()
    {
        object more = new { n = 3, temperature = 2, seed = 7, max_tokens = 12 };

        string?[] first = Contents(await Service.ChatAsync("hello", more)), second = Contents(await Service.ChatAsync("hello", more));
        Reply stream = await Service.ChatAsync("hello", new { n = 3, temperature = 2, seed = 7, max_tokens = 12, stream = true });

        Assert.That(first, Has.Length.EqualTo(3).And.Unique);
        Assert.That(second, Is.EqualTo(first));
        Assert.That(Enumerable.Range(0, 3).Select(stream.StreamedText), Is.EqualTo(first));
    }

    [Test]
    public async Task Chat_SeveralAnswers_ReadTheirPromptOnce()
    {
        Reply reply = await Service.ChatAsync($"Read this once: {Guid.NewGuid()}", new { n = 4, temperature = 1, seed = 1, max_tokens = 3 });

        Assert.That(Contents(reply), Has.Length.EqualTo(4));
        Assert.That(reply.Json.GetProperty("usage").GetProperty("completion_tokens").GetInt32(), Is.InRange(4, 12));
    }

    [Test]
    public async Task Stream_ReturnProgress_TellsHowFarThePromptIsRead()
    {
        string question = string.Concat(Enumerable.Repeat($"{Guid.NewGuid()} ", 8));

        Reply stream = await Service.ChatAsync(question, new { max_tokens = 2, stream = true, return_progress = true });

        JsonElement[] progress = [.. stream.Chunks.Where(chunk => chunk.TryGetProperty("prompt_progress", out _)).Select(chunk => chunk.GetProperty("prompt_progress"))];
        Assert.That(progress, Is.Not.Empty);
        Assert.That(progress.Select(step => step.GetProperty("processed").GetInt32()), Is.Ordered);
        Assert.That(progress.Select(step => step.GetProperty("total").GetInt32()), Is.All.GreaterThan(100));
        Assert.That(progress[0].EnumerateObject().Select(property => property.Name), Is.EqualTo(new[] { "total", "cache", "processed", "time_ms" }));
        Assert.That((await Service.ChatAsync("x", new { max_tokens = 2, return_progress = true })).Status, Is.EqualTo(HttpStatusCode.BadRequest));
    }

    [Test]
    public async Task Chat_Stop_IsNotPartOfTheText()
    {
        string whole = (await Service.ChatAsync("hello", new { max_tokens = 20, temperature = 2, seed = 3 })).Content!;
        string stop = whole.Substring(whole.Length / 2, 2);

        Reply one = await Service.ChatAsync("hello", new { max_tokens = 20, temperature = 2, seed = 3, stop });
        Reply several = await Service.ChatAsync("hello", new { max_tokens = 20, temperature = 2, seed = 3, stop = new[] { "\u0001", stop } });

        Assert.That(one.Content, Is.EqualTo(whole[..whole.IndexOf(stop, StringComparison.Ordinal)]));
        Assert.That(several.Content, Is.EqualTo(one.Content));
        Assert.That(one.FinishReason, Is.EqualTo("stop"));
    }

    [Test]
    public async Task Chat_LogitBias_ExcludesAToken()
    {
        Reply before = await Service.ChatAsync("hello", new { max_tokens = 1, logprobs = true });
        int[] first = SharedService.Model.Tokenizer.Encode(before.Content!);

        Reply after = await Service.ChatAsync("hello", new { max_tokens = 1, logit_bias = first.Distinct().ToDictionary(id => $"{id}", _ => -100) });

        Assert.That(after.Content, Is.Not.EqualTo(before.Content));
    }

    [Test]
    public async Task Chat_ExtrasOfOpenRouter_AreHonoured()
    {
        Reply greedy = await Service.ChatAsync("hello", new { max_tokens = 8 });

        Reply topK = await Service.ChatAsync("hello", new { max_tokens = 8, temperature = 2, top_k = 1 });
        Reply minP = await Service.ChatAsync("hello", new { max_tokens = 8, temperature = 2, min_p = 1 });
        Reply penalty = await Service.ChatAsync("hello", new { max_tokens = 8, repetition_penalty = 1.0 });

        Assert.That(new[] { topK.Content, minP.Content, penalty.Content }, Is.All.EqualTo(greedy.Content));
    }

    [Test]
    public async Task Chat_JsonSchema_IsFollowed()
    {
        object format = new
        {
            type = "json_schema",
            json_schema = new { name = "light", strict = true, schema = new { type = "object", properties = new { on = new { type = "boolean" }, level = new { type = "integer", minimum = 0, maximum = 9 } }, required = new[] { "on", "level" } } },
        };

        Reply reply = await Service.ChatAsync("hello", new { max_tokens = 60, temperature = 1.5, seed = 1, response_format = format });

        JsonElement light = JsonElement.Parse(reply.Content!);
        Assert.That(light.GetProperty("on").ValueKind, Is.EqualTo(JsonValueKind.True).Or.EqualTo(JsonValueKind.False));
        Assert.That(light.GetProperty("level").GetInt32(), Is.InRange(0, 9));
    }

    [Test]
    public async Task Chat_JsonObject_IsAnObject()
    {
        Reply reply = await Service.ChatAsync("hello", new { max_tokens = 200, response_format = new { type = "json_object" } });

        Assert.That(reply.Content, Does.StartWith("{"));
    }

    [Test]
    public async Task Chat_SchemaThatCannotBeHonoured_Is400()
    {
        object format = new { type = "json_schema", json_schema = new { name = "x", schema = new { type = "string", pattern = "(?<=a)b" } } };

        Reply whole = await Service.ChatAsync("hello", new { response_format = format });
        Reply stream = await Service.ChatAsync("hello", new { response_format = format, stream = true });

        Assert.That(whole.Status, Is.EqualTo(HttpStatusCode.BadRequest), whole.Text);
        Assert.That(whole.ErrorCode, Is.EqualTo("invalid_schema"));
        Assert.That(stream.Status, Is.EqualTo(HttpStatusCode.BadRequest), stream.Text);
    }

    [Test]
    public async Task Chat_LongPrompt_IsRefusedAndNeverCut()
    {
        Reply whole = await Service.ChatAsync(new string('x', 10_000));
        Reply stream = await Service.ChatAsync(new string('x', 10_000), new { stream = true });

        Assert.That((whole.Status, whole.ErrorCode, whole.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, "context_length_exceeded", "messages")));
        Assert.That((stream.Status, stream.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "context_length_exceeded")));
    }

    [Test]
    public async Task Chat_UnknownModel_Is404()
    {
        Reply reply = await Service.PostAsync("/v1/chat/completions", new { model = "gpt-5", messages = new[] { new { role = "user", content = "hello" } } });

        Assert.That((reply.Status, reply.ErrorCode, reply.ErrorParam), Is.EqualTo((HttpStatusCode.NotFound, "model_not_found", "model")));
    }

    [TestCase("""{"messages": [{"role": "user", "content": "x"}]}""", "model")]
    [TestCase("""{"model": "nano"}""", "messages")]
    [TestCase("""{"model": "nano", "messages": []}""", "messages")]
    [TestCase("""{"model": "nano", "messages": [null]}""", "messages[0]")]
    [TestCase("""{"model": "nano", "messages": "x"}""", "messages")]
    [TestCase("""{"model": "nano", "messages": [{"role": "robot", "content": "x"}]}""", "messages[0].role")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user"}]}""", "messages[0].content")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": 5}]}""", "messages[0].content")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": [{"type": "video"}]}]}""", "messages[0].content[0].type")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": [{"type": "text"}]}]}""", "messages[0].content[0]")]
    [TestCase("""{"model": "nano", "messages": [{"role": "tool", "content": "x"}]}""", "messages[0].tool_call_id")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}]}""", "messages[0].tool_calls")]
    [TestCase("""{"model": "nano", "messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f"}}]}]}""", "messages[0].tool_calls[0]")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "tools": [{"type": "web_search"}]}""", "tools[0]")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "a b"}}]}""", "tools[0].function.name")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "tool_choice": "required"}""", "tool_choice")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "tool_choice": "sometimes"}""", "tool_choice")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "response_format": {"type": "xml"}}""", "response_format.type")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema"}}""", "response_format.json_schema")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "stream_options": {}}""", "stream_options")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "store": true}""", "store")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "audio": {}}""", "audio")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "reasoning_effort": "low"}""", "reasoning_effort")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "reasoning_effort": "most"}""", "reasoning_effort")]
    [TestCase("""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "n": 1, "n": 2}""", "n")]
    [TestCase("""{"model": "nano" """, null)]
    [TestCase("", null)]
    public async Task Chat_RequestThatCannotBeHonoured_Is400NamingTheField(string body, string? param)
    {
        Reply reply = await Service.PostAsync("/v1/chat/completions", body);

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.BadRequest), reply.Text);
        Assert.That(reply.ErrorParam, Is.EqualTo(param), reply.Text);
        Assert.That(reply.Error.EnumerateObject().Select(key => key.Name), Is.EquivalentTo(new[] { "message", "type", "param", "code" }));
        Assert.That(reply.Error.GetProperty("type").GetString(), Is.EqualTo("invalid_request_error"));
    }

    [Test]
    public async Task AnyRequest_GetsAnId_ItsOwnIfThatIsHarmless()
    {
        using HttpRequestMessage own = new(HttpMethod.Get, "/health"), bad = new(HttpMethod.Get, "/nothing");
        own.Headers.Add("x-request-id", "abc-123");
        bad.Headers.Add("x-request-id", "a b\"<c>");

        using HttpResponseMessage first = await Service.Client.SendAsync(own), second = await Service.Client.SendAsync(bad);

        Assert.That(first.Headers.GetValues("x-request-id"), Is.EqualTo(new[] { "abc-123" }));
        Assert.That(second.Headers.GetValues("x-request-id").Single(), Does.StartWith("req_"));
    }

    private static string?[] Contents(Reply reply) => [.. reply.Json.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("message").GetProperty("content").GetString())];

    private static async Task<string> ModelAnswerAsync(int maxTokens)
    {
        using VlmChatClient client = new(SharedService.Model);
        ChatMessage message = new(ChatRole.User, [new DataContent(await File.ReadAllBytesAsync(Nano.SampleImage), "image/png"), new TextContent("What does the text say?")]);
        return (await client.GetResponseAsync(message, new ChatOptions { MaxOutputTokens = maxTokens })).Text;
    }
}
