using System.Net;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Server.Tests.Support;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Server.Tests.Wires;

/// <summary>Ollama's addresses: answers in lines and whole, and what is refused.</summary>
internal sealed class OllamaTests
{
    private const string Call = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>";

    private static readonly object[] Tools = [new { type = "function", function = new { name = "weather", description = "The weather.", parameters = new { type = "object", properties = new { city = new { type = "string" } }, required = new[] { "city" } } } }];

    private static string Image => Convert.ToBase64String(File.ReadAllBytes(Nano.SampleImage));

    [Test]
    public async Task Chat_ByDefault_ComesInLines()
    {
        ScriptedChatModel model = new(["thought", "Hello", " you"]) { CanReason = true, ReasoningPieces = 1 };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));
        using HttpRequestMessage request = TestService.Request("/api/chat", new { model = "nano:latest", think = true, keep_alive = "5m", messages = new[] { new { role = "user", content = "Hi" } } });

        using HttpResponseMessage response = await service.Client.SendAsync(request);
        JsonElement[] lines = [.. (await response.Content.ReadAsStringAsync()).TrimEnd('\n').Split('\n').Select(line => JsonElement.Parse(line))];

        Assert.That(response.Content.Headers.ContentType!.MediaType, Is.EqualTo("application/x-ndjson"));
        Assert.That(lines.Select(line => line.GetProperty("message").GetProperty("content").GetString()), Is.EqualTo(new[] { "", "Hello", " you", "" }));
        Assert.That(lines[0].GetProperty("message").GetProperty("thinking").GetString(), Is.EqualTo("thought"));
        Assert.That(lines.Select(line => line.GetProperty("done").GetBoolean()), Is.EqualTo(new[] { false, false, false, true }));
        Assert.That((lines[^1].GetProperty("done_reason").GetString(), lines[^1].GetProperty("prompt_eval_count").GetInt32(), lines[^1].GetProperty("eval_count").GetInt32()), Is.EqualTo(("stop", 5, 3)));
        Assert.That(lines.Select(line => line.GetProperty("model").GetString()), Is.All.EqualTo("nano:latest"));
    }

    [Test]
    public async Task Chat_Whole_IsOneObject()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(new ScriptedChatModel(["Hello", " you"]) { FinishReason = FinishReason.Length }));

        Reply reply = await service.PostAsync("/api/chat", new { model = "nano", stream = false, messages = new[] { new { role = "user", content = "Hi" } } });

        Assert.That((reply.Json.GetProperty("message").GetProperty("content").GetString(), reply.Json.GetProperty("done").GetBoolean(), reply.Json.GetProperty("done_reason").GetString()), Is.EqualTo(("Hello you", true, "length")));
        Assert.That(reply.Json.GetProperty("total_duration").GetInt64(), Is.Positive);
    }

    [Test]
    public async Task Tools_TwoRounds_GiveTheModelCallAndResult()
    {
        ScriptedChatModel model = new([Call], ["It is sunny."]) { UsesTools = true };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply first = await service.PostAsync("/api/chat", new { model = "nano", stream = false, tools = Tools, messages = new[] { new { role = "user", content = "Weather?" } } });
        JsonElement message = first.Json.GetProperty("message");
        Reply second = await service.PostAsync("/api/chat", new { model = "nano", stream = false, tools = Tools, messages = new object[] { new { role = "user", content = "Weather?" }, message, new { role = "tool", tool_name = "weather", content = "sunny" } } });

        JsonElement function = message.GetProperty("tool_calls")[0].GetProperty("function");
        Assert.That((function.GetProperty("name").GetString(), function.GetProperty("arguments").GetProperty("city").GetString()), Is.EqualTo(("weather", "Rome")));
        Assert.That(second.Json.GetProperty("message").GetProperty("content").GetString(), Is.EqualTo("It is sunny."), second.Text);
        Assert.That(model.Conversations[1][2].Contents.OfType<FunctionResultContent>().Single().CallId, Is.EqualTo(model.Conversations[1][1].Contents.OfType<FunctionCallContent>().Single().CallId));
    }

    [Test]
    public async Task Image_AsBase64_ReachesTheModel()
    {
        Reply chat = await SharedService.Service.PostAsync("/api/chat", new { model = "nano", stream = false, options = new { num_predict = 30, num_ctx = 2048 }, messages = new[] { new { role = "user", content = "What does the text say?", images = new[] { Image } } } });
        Reply generated = await SharedService.Service.PostAsync("/api/generate", new { model = "nano", stream = false, options = new { num_predict = 30 }, prompt = "What does the text say?", images = new[] { Image } });
        Reply expected = await SharedService.Service.ChatAsync(new object[] { new { type = "image_url", image_url = new { url = Nano.SampleUri } }, new { type = "text", text = "What does the text say?" } }, new { max_tokens = 30 });

        Assert.That(chat.Json.GetProperty("message").GetProperty("content").GetString(), Is.EqualTo(expected.Content), chat.Text);
        Assert.That(generated.Json.GetProperty("response").GetString(), Is.EqualTo(expected.Content), generated.Text);
    }

    [Test]
    public async Task Format_Schema_IsFollowed()
    {
        Reply reply = await SharedService.Service.PostAsync("/api/chat", new { model = "nano", stream = false, format = new { type = "object", properties = new { a = new { @enum = new[] { 7 } } }, required = new[] { "a" } }, messages = new[] { new { role = "user", content = "x" } } });

        Assert.That(JsonElement.Parse(reply.Json.GetProperty("message").GetProperty("content").GetString()!).GetProperty("a").GetInt32(), Is.EqualTo(7), reply.Text);
    }

    [Test]
    public async Task Options_Given_AreHonoured()
    {
        ScriptedChatModel model = new(["x"]);
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply reply = await service.PostAsync("/api/chat", new { model = "nano", stream = false, options = new { temperature = 0.5, top_k = 7, top_p = 0.9, min_p = 0.1, seed = 5, stop = new[] { "END" }, num_predict = -1, repeat_penalty = 1.1, presence_penalty = 0.2, frequency_penalty = 0.3, num_gpu = 99, num_thread = 4 }, messages = new[] { new { role = "user", content = "x" } } });

        GenerationOptions options = model.Options.Single();
        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK), reply.Text);
        Assert.That((options.TopK, options.Seed, options.StopSequences.Single(), options.MaxNewTokens), Is.EqualTo((7, 5L, "END", 2048)));
        Assert.That(new[] { options.Temperature!.Value, options.TopP!.Value, options.MinP!.Value, options.RepetitionPenalty!.Value, options.PresencePenalty, options.FrequencyPenalty }, Is.EqualTo(new[] { 0.5, 0.9, 0.1, 1.1, 0.2, 0.3 }).Within(1e-6));
    }

    [Test]
    public async Task Generate_WithSystemOrRaw_BuildsThePromptSo()
    {
        ScriptedChatModel model = new(["a"], ["b"]);
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        await service.PostAsync("/api/generate", new { model = "nano", system = "Be brief.", prompt = "Hi" });
        string[] withSystem = model.Seen;
        await service.PostAsync("/api/generate", new { model = "nano", raw = true, prompt = "Hi" });

        Assert.That(withSystem, Is.EqualTo(new[] { "system: Be brief.", "user: Hi" }));
        Assert.That(model.Seen, Is.EqualTo(new[] { "plain: Hi" }));
    }

    [TestCase("/api/generate")]
    [TestCase("/api/chat")]
    public async Task Request_WithoutAQuestion_LoadsTheModel(string path)
    {
        Reply reply = await SharedService.Service.PostAsync(path, new { model = "nano" });

        Assert.That((reply.Json.GetProperty("done").GetBoolean(), reply.Json.GetProperty("done_reason").GetString()), Is.EqualTo((true, "load")), reply.Text);
    }

    [Test]
    public async Task Models_Asked_AreListedAndDescribed()
    {
        Reply tags = await SharedService.Service.GetAsync("/api/tags"), show = await SharedService.Service.PostAsync("/api/show", new { model = "nano" }), version = await SharedService.Service.GetAsync("/api/version");

        JsonElement model = tags.Json.GetProperty("models").EnumerateArray().Single();
        Assert.That((model.GetProperty("name").GetString(), model.GetProperty("size").GetInt64() > 0, model.GetProperty("details").GetProperty("format").GetString()), Is.EqualTo(("nano", true, "onnx")));
        Assert.That(show.Json.GetProperty("capabilities").EnumerateArray().Select(capability => capability.GetString()), Does.Contain("vision"));
        Assert.That(show.Json.GetProperty("template").GetString(), Does.Contain("add_generation_prompt"));
        Assert.That(version.Json.GetProperty("version").GetString(), Does.Match("^[0-9]+\\.[0-9]+"));
        Assert.That(tags.Text + show.Text, Does.Not.Contain(Nano.Folder));
    }

    [TestCase("/api/chat", """{"messages": [{"role": "user", "content": "x"}], "frobnicate": 1}""", 400, "frobnicate")]
    [TestCase("/api/chat", """{"messages": [{"role": "user", "content": "x", "name": "y"}]}""", 400, "messages[0].name")]
    [TestCase("/api/chat", """{"messages": [{"role": "robot", "content": "x"}]}""", 400, "messages[0].role")]
    [TestCase("/api/chat", """{"messages": [{"role": "user", "content": "x", "images": ["****"]}]}""", 400, "messages[0].images[0]")]
    [TestCase("/api/chat", """{"messages": [{"role": "user", "content": "x", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}]}""", 400, "messages[0].tool_calls")]
    [TestCase("/api/chat", """{"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]}""", 400, "messages[0].tool_calls[0]")]
    [TestCase("/api/chat", """{"messages": [{"role": "user", "content": "x"}], "options": {"mirostat": 2}}""", 400, "options.mirostat")]
    [TestCase("/api/chat", """{"messages": [{"role": "user", "content": "x"}], "options": {"num_ctx": 1000000}}""", 400, "options.num_ctx")]
    [TestCase("/api/chat", """{"messages": [{"role": "user", "content": "x"}], "options": {"tfs_z": 2}}""", 400, "options.tfs_z")]
    [TestCase("/api/chat", """{"messages": [{"role": "user", "content": "x"}], "format": "xml"}""", 400, "format")]
    [TestCase("/api/chat", """{"messages": [{"role": "user", "content": "x"}], "think": 5}""", 400, "think")]
    [TestCase("/api/chat", """{"messages": [{"role": "user", "content": "x"}], "truncate": true}""", 400, "truncate")]
    [TestCase("/api/generate", """{"prompt": "x", "suffix": "y"}""", 400, "suffix")]
    [TestCase("/api/generate", """{"prompt": "x", "template": "{{ .Prompt }}"}""", 400, "template")]
    [TestCase("/api/generate", """{"prompt": "x", "raw": true, "system": "y"}""", 400, "system")]
    [TestCase("/api/show", """{"model": "other"}""", 404, "model")]
    [TestCase("/api/pull", """{"model": "other"}""", 404, "address")]
    public async Task Request_ThatCannotBeHonoured_IsRefusedInOllamasForm(string path, string body, int status, string names)
    {
        Reply reply = await SharedService.Service.PostAsync(path, body.Contains("\"model\"", StringComparison.Ordinal) ? body : "{\"model\": \"nano\", " + body[1..]);

        Assert.That((int)reply.Status, Is.EqualTo(status), reply.Text);
        Assert.That(reply.Error.GetString(), Does.Contain(names));
    }
}
