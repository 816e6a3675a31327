using System.Net;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Server.Tests.Support;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Server.Tests;

/// <summary>Fields of vLLM, llama.cpp's server and OpenRouter that mean something, each with what it does; and their addresses.</summary>
internal sealed class OtherFieldTests
{
    private static readonly string[] Choices = ["да", "a \"b\" \\c", "👍"];

    private static TestService Service => SharedService.Service;

    [TestCase("guided_choice")]
    [TestCase("structured_outputs")]
    public async Task Choice_Given_IsTheAnswer(string field)
    {
        HashSet<string> seen = [];
        for (int seed = 0; seed < 6; seed++)
        {
            Reply reply = await Service.ChatAsync("x", new Dictionary<string, object> { [field] = field == "guided_choice" ? Choices : new { choice = Choices }, ["temperature"] = 2, ["seed"] = seed });
            Assert.That((reply.Status, reply.FinishReason), Is.EqualTo((HttpStatusCode.OK, "stop")), reply.Text);
            seen.Add(reply.Content!);
        }
        Assert.That(seen, Is.SubsetOf(Choices));
    }

    [TestCase("guided_regex", "[0-9]{3}-[xyz]", "^[0-9]{3}-[xyz]$")]
    [TestCase("guided_grammar", "start: \"<\" INNER \">\"\nINNER: /[a-c]{2,4}/", "^<[a-c]{2,4}>$")]
    public async Task Pattern_Given_IsFollowed(string field, string value, string expected)
    {
        Reply older = await Service.ChatAsync("x", new Dictionary<string, object> { [field] = value });
        Reply newer = await Service.ChatAsync("x", new { structured_outputs = new Dictionary<string, string> { [field["guided_".Length..]] = value } });
        Reply plain = await Service.PostAsync("/v1/completions", new Dictionary<string, object> { ["model"] = "nano", ["prompt"] = "x", [field] = value, ["max_tokens"] = 50 });

        Assert.That(older.Content, Does.Match(expected), older.Text);
        Assert.That(newer.Content, Does.Match(expected), newer.Text);
        Assert.That(plain.Json.GetProperty("choices")[0].GetProperty("text").GetString(), Does.Match(expected), plain.Text);
    }

    [TestCase("""{"guided_json": {"type": "object", "properties": {"a": {"enum": [5]}}, "required": ["a"]}}""")]
    [TestCase("""{"guided_json": "{\"type\": \"object\", \"properties\": {\"a\": {\"enum\": [5]}}, \"required\": [\"a\"]}"}""")]
    [TestCase("""{"structured_outputs": {"json": {"type": "object", "properties": {"a": {"enum": [5]}}, "required": ["a"]}}}""")]
    public async Task Schema_Given_IsFollowed(string fields)
    {
        Reply reply = await Service.ChatAsync("x", JsonElement.Parse(fields));

        Assert.That(JsonElement.Parse(reply.Content!).GetProperty("a").GetInt32(), Is.EqualTo(5), reply.Text);
    }

    [TestCase("""{"guided_json": {}, "guided_regex": "a"}""", "guided_regex")]
    [TestCase("""{"structured_outputs": {"regex": "a", "choice": ["b"]}}""", "structured_outputs.choice")]
    [TestCase("""{"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}}""", "structured_outputs.regex")]
    [TestCase("""{"structured_outputs": {"structural_tag": "a"}}""", "structured_outputs.structural_tag")]
    [TestCase("""{"guided_choice": []}""", "guided_choice")]
    [TestCase("""{"guided_choice": ["a", ""]}""", "guided_choice")]
    [TestCase("""{"guided_json": "{"}""", "guided_json")]
    [TestCase("""{"min_tokens": -1}""", "min_tokens")]
    [TestCase("""{"min_tokens": 11, "max_tokens": 10}""", "min_tokens")]
    [TestCase("""{"stop_token_ids": ["a"]}""", "stop_token_ids[0]")]
    [TestCase("""{"verbosity": "loud"}""", "verbosity")]
    [TestCase("""{"add_generation_prompt": false}""", "add_generation_prompt")]
    [TestCase("""{"add_generation_prompt": true, "continue_final_message": true}""", "add_generation_prompt")]
    [TestCase("""{"continue_final_message": true}""", "continue_final_message")]
    [TestCase("""{"chat_template_kwargs": [1]}""", "chat_template_kwargs")]
    [TestCase("""{"reasoning": {"effort": "loud"}}""", "reasoning.effort")]
    [TestCase("""{"reasoning": {"effort": "high"}, "reasoning_effort": "none"}""", "reasoning")]
    [TestCase("""{"reasoning": {"max_tokens": 5}}""", "reasoning.max_tokens")]
    [TestCase("""{"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": true}}""", "chat_template_kwargs.enable_thinking")]
    public async Task Field_ThatCannotBeHonoured_IsRefusedByItsPath(string fields, string path)
    {
        Reply reply = await Service.ChatAsync("x", JsonElement.Parse(fields));

        Assert.That((reply.Status, reply.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, path)), reply.Text);
    }

    [Test]
    public async Task MinTokens_Given_KeepsTheAnswerFromEnding()
    {
        Reply free = await Service.ChatAsync("Hello");
        Reply held = await Service.ChatAsync("Hello", new { min_tokens = 60, max_tokens = 60 });

        Assert.That(free.Json.GetProperty("usage").GetProperty("completion_tokens").GetInt32(), Is.LessThan(60));
        Assert.That((held.Json.GetProperty("usage").GetProperty("completion_tokens").GetInt32(), held.FinishReason), Is.EqualTo((60, "length")), held.Text);
    }

    [Test]
    public async Task StopTokenIds_FirstTokenOfTheAnswer_EndItAtOnce()
    {
        Reply free = await Service.ChatAsync("Hello", new { logprobs = true, max_tokens = 3 });
        string first = free.Content!;
        Reply tokens = await Service.PostAsync("/tokenize", new { model = "nano", prompt = first });

        Reply stopped = await Service.ChatAsync("Hello", new { stop_token_ids = new[] { tokens.Json.GetProperty("tokens")[0].GetInt32() } });

        Assert.That((stopped.Content, stopped.FinishReason), Is.EqualTo(("", "stop")), stopped.Text);
    }

    [Test]
    public async Task CachePrompt_False_ReadsThePromptAgain()
    {
        string question = $"{Guid.NewGuid()} is a question that nobody has asked before";
        await Service.ChatAsync(question, new { max_tokens = 1 });

        Reply cached = await Service.ChatAsync(question, new { max_tokens = 1 }), fresh = await Service.ChatAsync(question, new { max_tokens = 1, cache_prompt = false });

        Assert.That(CachedOf(cached), Is.Positive);
        Assert.That(CachedOf(fresh), Is.Zero);

        static int CachedOf(Reply reply) => reply.Json.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32();
    }

    [Test]
    public async Task ContinueFinalMessage_True_GoesOnWithTheAssistantsText()
    {
        object body = new { model = "nano", continue_final_message = true, add_generation_prompt = false, max_tokens = 3, messages = new[] { new { role = "user", content = "Hello" }, new { role = "assistant", content = "I see" } } };

        Reply template = await Service.PostAsync("/apply-template", body), answer = await Service.PostAsync("/v1/chat/completions", body);

        Assert.That(template.Json.GetProperty("prompt").GetString(), Does.EndWith("<|im_start|>assistant\nI see"));
        Assert.That(answer.Status, Is.EqualTo(HttpStatusCode.OK), answer.Text);
    }

    [Test]
    public async Task ChatTemplateKwargs_Given_ReachTheTemplate()
    {
        ScriptedChatModel model = new(["a"], ["b"], ["c"]) { CanReason = true };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        await service.ChatAsync("x", new { chat_template_kwargs = new { custom = "value", enable_thinking = false } });
        await service.ChatAsync("x", new { chat_template_kwargs = new { enable_thinking = true } });
        await service.ChatAsync("x", new { chat_template_kwargs = (object?)null });

        Assert.That(model.Prompting[0].Variables!["custom"].GetString(), Is.EqualTo("value"));
        Assert.That(model.Prompting.Select(options => options.Reasons), Is.EqualTo(new bool?[] { false, true, null }));
        Assert.That(model.Prompting[1].Variables ?? model.Prompting[2].Variables, Is.Null);
    }

    [TestCase("""{"reasoning": {"effort": "high"}}""", true, true)]
    [TestCase("""{"reasoning": {"enabled": true}}""", true, true)]
    [TestCase("""{"reasoning": {"enabled": false}}""", false, true)]
    [TestCase("""{"reasoning": {"effort": "low", "exclude": true}}""", true, false)]
    [TestCase("""{"reasoning": {"exclude": true}}""", null, false)]
    [TestCase("""{"reasoning_effort": "none"}""", false, true)]
    [TestCase("""{"verbosity": "low"}""", null, true)]
    public async Task Reasoning_Given_IsAskedForAndShownOrNot(string fields, bool? reasons, bool isShown)
    {
        ScriptedChatModel model = new(["thought", "answer"]) { CanReason = true, ReasoningPieces = 1 };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply reply = await service.ChatAsync("x", JsonElement.Parse(fields));

        Assert.That(model.Prompting.Single().Reasons, Is.EqualTo(reasons), reply.Text);
        Assert.That(reply.Content, Is.EqualTo("answer"));
        Assert.That(reply.Message.TryGetProperty("reasoning_content", out _), Is.EqualTo(isShown));
    }

    [TestCase("reasoning_content")]
    [TestCase("reasoning")]
    public async Task ReasoningOfAnEarlierTurn_ReachesTheTemplate(string field)
    {
        ScriptedChatModel model = new(["answer"]) { CanReason = true, UsesTools = true };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));

        Reply reply = await service.PostAsync("/v1/chat/completions", $$"""{"model": "nano", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y", "{{field}}": "thought", "annotations": []}, {"role": "user", "content": "z"}]}""");

        Assert.That(model.Conversations.Single()[1].Contents.OfType<TextReasoningContent>().Single().Text, Is.EqualTo("thought"), reply.Text);
    }

    [Test]
    public async Task TimingsPerToken_Streamed_GrowWithTheAnswer()
    {
        Reply stream = await Service.ChatAsync("Hello", new { stream = true, timings_per_token = true, max_tokens = 6, min_tokens = 6 });
        Reply plain = await Service.PostAsync("/v1/completions", new { model = "nano", prompt = "Hello", stream = true, timings_per_token = true, max_tokens = 6, min_tokens = 6 });
        Reply whole = await Service.ChatAsync("Hello", new { timings_per_token = true, max_tokens = 6, min_tokens = 6 });

        foreach (Reply reply in new[] { stream, plain })
        {
            int[] counts = [.. reply.Chunks.Where(chunk => chunk.TryGetProperty("timings", out _)).Select(chunk => chunk.GetProperty("timings").GetProperty("predicted_n").GetInt32())];
            Assert.That(counts, Is.Ordered.And.Not.Empty);
            Assert.That(counts[^1], Is.EqualTo(6));
            Assert.That(reply.Chunks.Any(chunk => chunk.TryGetProperty("prompt_progress", out _)), Is.False);
        }
        JsonElement timings = whole.Json.GetProperty("timings");
        Assert.That(timings.GetProperty("predicted_n").GetInt32(), Is.EqualTo(6));
        Assert.That(timings.GetProperty("cache_n").GetInt32() + timings.GetProperty("prompt_n").GetInt32(), Is.EqualTo(whole.Json.GetProperty("usage").GetProperty("prompt_tokens").GetInt32()));
    }

    [Test]
    public async Task InputTokens_OfAConversationWithAnImage_AreThoseOfItsAnswer()
    {
        object content = new object[] { new { type = "image_url", image_url = new { url = Nano.SampleUri } }, new { type = "text", text = "What does the text say?" } };

        Reply count = await Service.PostAsync("/v1/chat/completions/input_tokens", TestService.Chat(content)), answer = await Service.ChatAsync(content, new { max_tokens = 1 });

        Assert.That(count.Json.GetProperty("object").GetString(), Is.EqualTo("response.input_tokens"));
        Assert.That(count.Json.GetProperty("input_tokens").GetInt32(), Is.EqualTo(answer.Json.GetProperty("usage").GetProperty("prompt_tokens").GetInt32()));
    }

    [Test]
    public async Task ApplyTemplate_WithoutAModel_IsThePromptOfTheFirst()
    {
        Reply reply = await Service.PostAsync("/apply-template", new { messages = new[] { new { role = "user", content = "Hello" } } });

        Assert.That(reply.Json.GetProperty("prompt").GetString(), Is.EqualTo("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"));
    }

    [Test]
    public async Task Props_Asked_DescribeTheModelAndNoFile()
    {
        Reply reply = await Service.GetAsync("/props"), other = await Service.GetAsync("/props?model=nothing");

        Assert.That(reply.Json.GetProperty("default_generation_settings").GetProperty("n_ctx").GetInt32(), Is.EqualTo(2048));
        Assert.That(reply.Json.GetProperty("chat_template").GetString(), Does.Contain("add_generation_prompt"));
        Assert.That(reply.Json.GetProperty("modalities").GetProperty("vision").GetBoolean(), Is.True);
        Assert.That(reply.Text, Does.Not.Contain(Nano.Folder));
        Assert.That(other.Status, Is.EqualTo(HttpStatusCode.NotFound));
    }

    [Test]
    public async Task Slots_WhileAnAnswerRuns_TellThatOneIsInUseAndNothingOfIt()
    {
        TaskCompletionSource release = new();
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(new ScriptedChatModel(["x"]) { Before = release.Task }), "MaxRunning=3");
        Task<Reply> answer = service.ChatAsync("a-secret-question");

        Assert.That(async () => await BusyAsync(), Is.EqualTo(1).After(5000, 20));
        Assert.That((await service.GetAsync("/slots")).Text, Does.Not.Contain("secret"));
        release.SetResult();
        await answer;
        Assert.That(await BusyAsync(), Is.Zero);

        async Task<int> BusyAsync() => (await service.GetAsync("/slots")).Json.EnumerateArray().Count(slot => slot.GetProperty("is_processing").GetBoolean());
    }
}
