using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests;

internal sealed class CompletionTests
{
    private static TestService Service => SharedService.Service;

    [Test]
    public async Task Completion_Text_IsContinuedWithoutATemplate()
    {
        StringBuilder expected = new();
        await foreach (GenerationUpdate update in SharedService.Model.GenerateAsync(SharedService.Model.CreatePlainPrompt([new TextContent("one two")]), new GenerationOptions { MaxNewTokens = 8 }))
            expected.Append(update.Text);

        Reply whole = await CompleteAsync("one two", new { max_tokens = 8 });
        Reply stream = await CompleteAsync("one two", new { max_tokens = 8, stream = true, stream_options = new { include_usage = true } });

        Assert.That(Text(whole), Is.EqualTo(expected.ToString()), whole.Text);
        Assert.That(whole.Json.GetProperty("object").GetString(), Is.EqualTo("text_completion"));
        Assert.That(whole.Json.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), Is.EqualTo(SharedService.Model.Tokenizer.Encode("one two").Length));
        Assert.That(stream.StreamedText(), Is.EqualTo(expected.ToString()));
        Assert.That(stream.Chunks[^1].GetProperty("usage").GetProperty("total_tokens").GetInt32(), Is.GreaterThan(0));
        Assert.That(stream.Events[^1], Is.EqualTo("[DONE]"));
    }

    [Test]
    public async Task Completion_SeveralPromptsAndEcho_HaveTheirOwnChoices()
    {
        object prompts = new[] { "one", "two" };

        Reply whole = await CompleteAsync(prompts, new { max_tokens = 4, n = 2, echo = true });
        Reply stream = await CompleteAsync(prompts, new { max_tokens = 4, n = 2, echo = true, stream = true });

        string[] texts = [.. whole.Json.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("text").GetString()!)];
        Assert.That(texts, Has.Length.EqualTo(4));
        Assert.That(texts[0], Does.StartWith("one").And.EqualTo(texts[1]));
        Assert.That(texts[2], Does.StartWith("two").And.EqualTo(texts[3]));
        Assert.That(Enumerable.Range(0, 4).Select(stream.StreamedText), Is.EqualTo(texts));
    }

    [Test]
    public async Task Completion_Logprobs_HaveOffsetsIntoTheText()
    {
        Reply reply = await CompleteAsync("one", new { max_tokens = 6, logprobs = 2 });

        JsonElement logprobs = reply.Json.GetProperty("choices")[0].GetProperty("logprobs");
        string[] tokens = [.. logprobs.GetProperty("tokens").EnumerateArray().Select(token => token.GetString()!)];
        Assert.That(string.Concat(tokens), Is.EqualTo(Text(reply)));
        Assert.That(logprobs.GetProperty("text_offset").EnumerateArray().Select(offset => offset.GetInt32()), Is.EqualTo(tokens.Select((_, i) => tokens[..i].Sum(token => token.Length))));
        Assert.That(logprobs.GetProperty("top_logprobs")[0].EnumerateObject().Count(), Is.InRange(1, 2));
    }

    [TestCase("""{"model": "nano"}""", "prompt")]
    [TestCase("""{"model": "nano", "prompt": [1, 2]}""", "prompt")]
    [TestCase("""{"model": "nano", "prompt": ""}""", "prompt")]
    [TestCase("""{"model": "nano", "prompt": ["a", "b", "c"], "n": 4}""", "prompt")]
    [TestCase("""{"model": "nano", "prompt": "a", "best_of": 3}""", "best_of")]
    [TestCase("""{"model": "nano", "prompt": "a", "suffix": "b"}""", "suffix")]
    [TestCase("""{"model": "nano", "prompt": "a", "echo": true, "logprobs": 1}""", "logprobs")]
    public async Task Completion_RequestThatCannotBeHonoured_Is400NamingTheField(string body, string param)
    {
        Reply reply = await Service.PostAsync("/v1/completions", body);

        Assert.That((reply.Status, reply.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, param)), reply.Text);
    }

    private static Task<Reply> CompleteAsync(object prompt, object more)
    {
        Dictionary<string, object?> body = new() { ["model"] = "nano", ["prompt"] = prompt };
        foreach (JsonProperty field in JsonSerializer.SerializeToElement(more).EnumerateObject())
            body[field.Name] = field.Value;
        return Service.PostAsync("/v1/completions", body);
    }

    private static string? Text(Reply reply) => reply.Json.GetProperty("choices")[0].GetProperty("text").GetString();
}
