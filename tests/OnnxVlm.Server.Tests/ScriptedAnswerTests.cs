using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Server.Models;
using OnnxVlm.Server.Tests.Support;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Server.Tests;

/// <summary>What the shipped model cannot be made to do: function calls, slow answers, answers that break off.</summary>
internal sealed class ScriptedAnswerTests
{
    private static readonly object[] Tools =
    [
        new { type = "function", function = new { name = "find_price", description = "The price of a product.", parameters = new { type = "object", properties = new { product = new { type = "string" } } } } },
        new { type = "function", function = new { name = "now" } },
    ];

    private static readonly string[] TwoCalls =
        ["Let me ", "look.\n<tool_", "call>\n{\"name\": \"find_price\", \"arguments\": {\"product\": \"blue ", "lamp\"}}\n</tool_call>\n<tool_call>\n", "{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"];

    [Test]
    public async Task Chat_Tools_AreCallsInOpenAIsForm()
    {
        ScriptedLoader loader = new(TwoCalls);
        await using TestService service = await TestService.StartAsync(loader);

        Reply reply = await service.ChatAsync("What does the lamp cost?", new { tools = Tools });

        Assert.That(reply.FinishReason, Is.EqualTo("tool_calls"));
        Assert.That(reply.Content, Is.EqualTo("Let me look."));
        JsonElement[] calls = [.. reply.Message.GetProperty("tool_calls").EnumerateArray()];
        Assert.That(calls.Select(call => call.GetProperty("type").GetString()), Is.All.EqualTo("function"));
        Assert.That(calls.Select(call => call.GetProperty("id").GetString()), Is.Unique);
        Assert.That(calls.Select(call => call.GetProperty("function").GetProperty("name").GetString()), Is.EqualTo(new[] { "find_price", "now" }));
        Assert.That(JsonElement.Parse(calls[0].GetProperty("function").GetProperty("arguments").GetString()!).GetProperty("product").GetString(), Is.EqualTo("blue lamp"));
        Assert.That(loader.Model.Seen[0], Does.StartWith("system: # Tools").And.Contains("find_price"));
    }

    [Test]
    public async Task Chat_OnlyACall_HasNullForContent()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"]));

        Reply reply = await service.ChatAsync("What time is it?", new { tools = Tools, tool_choice = new { type = "function", function = new { name = "now" } }, parallel_tool_calls = false });

        Assert.That(reply.Message.GetProperty("content").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public async Task Chat_ModelThatReasons_SetsItsReasoningApart()
    {
        ScriptedLoader loader = new(new ScriptedChatModel(["Seven ", "and one.", "8"], ["Two and ", "two.", "4"]) { CanReason = true, ReasoningPieces = 2 });
        await using TestService service = await TestService.StartAsync(loader);

        Reply whole = await service.ChatAsync("What is 7 + 1?", new { reasoning_effort = "low" });
        Reply stream = await service.ChatAsync("What is 2 + 2?", new { reasoning_effort = "high", stream = true });

        Assert.That(whole.Content, Is.EqualTo("8"));
        Assert.That(whole.Message.GetProperty("reasoning_content").GetString(), Is.EqualTo("Seven and one."));
        JsonElement[] deltas = [.. stream.Chunks.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta"))];
        Assert.That(string.Concat(deltas.Select(delta => delta.TryGetProperty("reasoning_content", out JsonElement text) ? text.GetString() : "")), Is.EqualTo("Two and two."));
        Assert.That(stream.StreamedText(), Is.EqualTo("4"));
        Assert.That(loader.Model.Prompting.Select(prompting => prompting.Reasons), Is.EqualTo(new bool?[] { true, true }));
    }

    [Test]
    public async Task Chat_ReasoningInAPastAnswer_IsNoPartOfItsText()
    {
        ScriptedLoader loader = new(["8"]);
        await using TestService service = await TestService.StartAsync(loader);

        Reply reply = await service.PostAsync("/v1/chat/completions", """
            {"model": "nano", "messages": [
              {"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "4", "reasoning_content": "Two and two."}, {"role": "user", "content": "Twice that?"}]}
            """);

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK), reply.Text);
        Assert.That(loader.Model.Conversations[^1].Select(message => message.Text), Is.EqualTo(new[] { "What is 2 + 2?", "4", "Twice that?" }));
    }

    [Test]
    public async Task Stream_Tools_ComeInPieces()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(TwoCalls));

        Reply reply = await service.ChatAsync("What does the lamp cost?", new { tools = Tools, stream = true });

        JsonElement[] deltas = [.. reply.Chunks.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta"))];
        Assert.That(deltas[0].GetProperty("content").ValueKind, Is.EqualTo(JsonValueKind.Null));
        JsonElement[] parts = [.. deltas.Where(delta => delta.TryGetProperty("tool_calls", out _)).Select(delta => delta.GetProperty("tool_calls")[0])];
        foreach (int index in new[] { 0, 1 })
        {
            JsonElement[] call = [.. parts.Where(part => part.GetProperty("index").GetInt32() == index)];
            Assert.That(call[0].GetProperty("id").GetString(), Does.StartWith("call_"));
            Assert.That(call[0].GetProperty("type").GetString(), Is.EqualTo("function"));
            Assert.That(call[0].GetProperty("function").GetProperty("name").GetString(), Is.EqualTo(index == 0 ? "find_price" : "now"));
            Assert.That(call[0].GetProperty("function").GetProperty("arguments").GetString(), Is.Empty);
            Assert.That(call.Skip(1).Any(part => part.TryGetProperty("id", out _)), Is.False);
            Assert.That(() => JsonElement.Parse(string.Concat(call.Select(part => part.GetProperty("function").GetProperty("arguments").GetString()))), Throws.Nothing);
        }
        Assert.That(reply.Chunks[^1].GetProperty("choices")[0].GetProperty("finish_reason").GetString(), Is.EqualTo("tool_calls"));
    }

    [Test]
    public async Task Chat_CallThatTheTokenLimitCutsOff_ComesAsFarAsItGot([Values] bool stream)
    {
        ScriptedChatModel model = new([TwoCalls[1], TwoCalls[2]]) { FinishReason = Generation.FinishReason.Length };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply reply = await service.ChatAsync("What does the lamp cost?", new { tools = Tools, stream });

        JsonElement[] parts = stream
            ? [.. reply.Chunks.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta")).Where(delta => delta.TryGetProperty("tool_calls", out _)).Select(delta => delta.GetProperty("tool_calls")[0])]
            : [.. reply.Message.GetProperty("tool_calls").EnumerateArray()];
        Assert.That(string.Concat(parts.Select(part => part.GetProperty("function").GetProperty("arguments").GetString())), Is.EqualTo("{\"product\": \"blue "));
        Assert.That(stream ? reply.Chunks[^1].GetProperty("choices")[0].GetProperty("finish_reason").GetString() : reply.FinishReason, Is.EqualTo("length"));
    }

    [Test]
    public async Task Chat_WholeToolConversation_IsShownToTheModel()
    {
        ScriptedLoader loader = new(["49.90"]);
        await using TestService service = await TestService.StartAsync(loader);

        Reply reply = await service.PostAsync("/v1/chat/completions", new
        {
            model = "nano",
            tools = Tools,
            tool_choice = "none",
            messages = new object[]
            {
                new { role = "developer", content = "Be brief." },
                new { role = "user", name = "Ann", content = "What does the lamp cost?" },
                new { role = "assistant", content = (string?)null, tool_calls = new[] { new { id = "call_1", type = "function", function = new { name = "find_price", arguments = "{\"product\":\"lamp\"}" } } } },
                new { role = "tool", tool_call_id = "call_1", content = "49.90" },
            },
        });

        Assert.That(reply.Content, Is.EqualTo("49.90"), reply.Text);
        Assert.That(loader.Model.Seen, Is.EqualTo(new[]
        {
            "system: Be brief.", "user: What does the lamp cost?", "assistant: <tool_call>\n{\"name\": \"find_price\", \"arguments\": {\"product\": \"lamp\"}}\n</tool_call>", "tool: 49.90",
        }));
    }

    [Test]
    public async Task Stream_SlowAnswer_IsKeptOpenByComments()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(new ScriptedChatModel(["a", "b"]) { Delay = TimeSpan.FromMilliseconds(400) }), "KeepAlive=00:00:00.050");

        Reply reply = await service.ChatAsync("hello", new { stream = true });

        Assert.That(reply.Text, Does.StartWith(": keep-alive\n\n"));
        Assert.That(reply.StreamedText(), Is.EqualTo("ab"));
        Assert.That(reply.Text, Does.EndWith("data: [DONE]\n\n"));
    }

    [Test]
    public async Task Stream_AnswerThatBreaksOff_EndsWithAnErrorEvent()
    {
        await using TestService service = await TestService.StartAsync(new FailingLoader(new VlmException("secret detail at 0x7f00")));

        Reply stream = await service.ChatAsync("hello", new { stream = true });
        Reply whole = await service.ChatAsync("hello");

        Assert.That(stream.Status, Is.EqualTo(HttpStatusCode.OK));
        JsonElement error = JsonElement.Parse(stream.Events[^1]).GetProperty("error");
        Assert.That(error.GetProperty("type").GetString(), Is.EqualTo("server_error"));
        Assert.That(stream.Text, Does.Not.Contain("secret").And.Not.Contain("[DONE]"));
        Assert.That(whole.Status, Is.EqualTo(HttpStatusCode.InternalServerError));
        Assert.That(whole.Text, Does.Not.Contain("secret"));
        Assert.That(service.Log.Lines, Has.Some.Contains("secret detail"), "the operator is told");
    }

    [Test]
    public async Task Chat_AnswerThatTakesTooLong_Is504()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(new ScriptedChatModel(["a"]) { Delay = TimeSpan.FromSeconds(30) }), "AnswerTimeout=00:00:00.100");

        Reply reply = await service.ChatAsync("hello");

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.GatewayTimeout, "answer_timeout")));
    }

    [Test]
    public async Task Stream_ClientGoesAway_EndsTheAnswer()
    {
        ScriptedLoader loader = new(new ScriptedChatModel([.. Enumerable.Repeat("a", 10_000)]) { Delay = TimeSpan.FromMilliseconds(5) });
        await using TestService service = await TestService.StartAsync(loader);
        using HttpRequestMessage request = TestService.Request("/v1/chat/completions", TestService.Chat("hello", new { stream = true }));
        HttpResponseMessage response = await service.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.That(loader.Model.LiveAnswers, Is.EqualTo(1));

        response.Dispose();

        Assert.That(() => loader.Model.LiveAnswers, Is.Zero.After(5000, 20));
        Assert.That(() => service.Get<Admission.AdmissionQueue>().Running, Is.Zero.After(5000, 20));
    }

    [Test]
    public async Task Chat_ClientGoesAwayBeforeTheAnswer_EndsIt()
    {
        ScriptedLoader loader = new(new ScriptedChatModel([.. Enumerable.Repeat("a", 10_000)]) { Delay = TimeSpan.FromMilliseconds(5) });
        await using TestService service = await TestService.StartAsync(loader);
        using CancellationTokenSource leaves = new();
        Task<Reply> asking = service.ChatAsync("hello", null, leaves.Token);
        Assert.That(() => loader.Model.LiveAnswers, Is.EqualTo(1).After(10_000, 10));

        await leaves.CancelAsync();

        Assert.That(async () => await asking, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(() => loader.Model.LiveAnswers, Is.Zero.After(10_000, 20));
    }

    private sealed class FailingLoader(Exception exception) : IModelLoader, IChatClient
    {
        public LoadedModel Load(Hosting.ModelOptions options) => new(this, this);

        public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) => throw exception;

        public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            yield return new ChatResponseUpdate(ChatRole.Assistant, "be");
            throw exception;
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
