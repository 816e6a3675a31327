using System.Net;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests.Wires;

/// <summary>POST /v1/decisions and the library's ChooseAsync: probabilities as brute force finds them.</summary>
internal sealed class DecisionTests
{
    private static readonly string[] Texts = ["yes", "no", "I see no image.", "да", "a much longer answer than the others, of some tokens"], Words = ["yes", "no"], None = [], Twice = ["a", "a"];

    private static readonly object[] WithImage = [new { type = "image_url", image_url = new { url = Nano.SampleUri } }, new { type = "text", text = "What does the text say?" }];

    [TestCase(false)]
    [TestCase(true)]
    public async Task Decision_TextOrImage_EqualsBruteForce(bool hasImage)
    {
        Reply reply = await SharedService.Service.PostAsync("/v1/decisions", new { model = "nano", messages = new[] { new { role = "user", content = hasImage ? (object)WithImage : "Is it so?" } }, choices = Texts });

        ChatMessage question = new(ChatRole.User, hasImage ? [new DataContent(File.ReadAllBytes(Nano.SampleImage), "image/png"), new TextContent("What does the text say?")] : [new TextContent("Is it so?")]);
        double[] expected = BruteForce(SharedService.Model.CreatePrompt([question]), Texts);
        double sum = expected.Sum(Math.Exp);
        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK), reply.Text);
        JsonElement[] choices = [.. reply.Json.GetProperty("choices").EnumerateArray()];
        Assert.That(choices.Select(choice => choice.GetProperty("choice").GetString()), Is.EqualTo(Texts));
        Assert.That(choices.Select(choice => choice.GetProperty("probability").GetDouble()), Is.EqualTo(expected.Select(logprob => Math.Exp(logprob) / sum)).Within(1e-5));
        Assert.That(choices.Select(choice => choice.GetProperty("logprob").GetDouble()), Is.EqualTo(expected).Within(1e-3));
        Assert.That(choices.Sum(choice => choice.GetProperty("probability").GetDouble()), Is.EqualTo(1).Within(1e-9));
        Assert.That(reply.Json.GetProperty("choice").GetString(), Is.EqualTo(Texts[Array.IndexOf(expected, expected.Max())]));
    }

    [Test]
    public async Task ChooseAsync_ManyChoicesSideBySide_EqualOneAfterTheOther()
    {
        string[] texts = [.. Enumerable.Range(0, 40).Select(i => $"answer {i}")];
        Prompt prompt = SharedService.Model.CreatePrompt([new ChatMessage(ChatRole.User, "Which?")]);

        IReadOnlyList<ScoredChoice> together = await SharedService.Model.ChooseAsync(prompt, texts);

        Assert.That(together.Sum(choice => choice.Probability), Is.EqualTo(1).Within(1e-9));
        double[] expected = BruteForce(prompt, texts);
        Assert.That(together.Select(choice => Math.Exp(choice.Logprob)), Is.EqualTo(expected.Select(Math.Exp)).Within(1e-5));
    }

    [Test]
    public void ChooseAsync_Cancelled_Throws()
    {
        Prompt prompt = SharedService.Model.CreatePrompt([new ChatMessage(ChatRole.User, "Which?")]);
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();

        Assert.That(async () => await SharedService.Model.ChooseAsync(prompt, Words, null, cancelled.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(() => SharedService.Model.ChooseAsync(prompt, None), Throws.ArgumentException);
        Assert.That(() => SharedService.Model.ChooseAsync(prompt, Twice), Throws.ArgumentException);
        Assert.That(async () => await SharedService.Model.ChooseAsync(prompt, [string.Concat(Enumerable.Repeat("word ", 3000))]), Throws.InstanceOf<PromptTooLongException>());
    }

    [TestCase("""{"choices": ["a", "b"]}""", "messages")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}]}""", "choices")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "choices": []}""", "choices")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "choices": ["a", ""]}""", "choices")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "choices": ["a", "a"]}""", "choices")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "choices": ["a", null]}""", "choices")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "choices": ["a"], "temperature": 1}""", "temperature")]
    public async Task Request_ThatCannotBeHonoured_IsRefusedByItsPath(string body, string path)
    {
        Reply reply = await SharedService.Service.PostAsync("/v1/decisions", "{\"model\": \"nano\", " + body[1..]);

        Assert.That((reply.Status, reply.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, path)), reply.Text);
    }

    [Test]
    public async Task DecisionAttack_TooManyOrTooLongChoices_AreRefused()
    {
        object messages = new[] { new { role = "user", content = "x" } };

        Reply many = await SharedService.Service.PostAsync("/v1/decisions", new { model = "nano", messages, choices = Enumerable.Range(0, 129).Select(i => $"{i}") });
        Reply wide = await SharedService.Service.PostAsync("/v1/decisions", new { model = "nano", messages, choices = new[] { new string('x', 70_000) } });
        Reply tall = await SharedService.Service.PostAsync("/v1/decisions", new { model = "nano", messages, choices = new[] { string.Concat(Enumerable.Repeat("word ", 3000)) } });

        Assert.That((many.Status, wide.Status, tall.Status, tall.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, HttpStatusCode.BadRequest, HttpStatusCode.BadRequest, "context_length_exceeded")), tall.Text);
    }

    // Each choice read by itself, token by token.
    private static double[] BruteForce(Prompt prompt, string[] choices) => [.. choices.Select(choice =>
    {
        int[] tokens = SharedService.Model.CreatePlainPrompt([new TextContent(choice)]).ToTokenIds();
        using VlmSequence sequence = SharedService.Model.CreateSequence(2048, 256);
        sequence.Append(prompt.Segments);
        double logprob = 0;
        foreach (int token in tokens.Append(SharedService.Model.Manifest.EndTokenIds.Single()))
        {
            float[] logits = sequence.NextLogits();
            logprob += logits[token] - Math.Log(logits.Sum(logit => Math.Exp(logit)));
            sequence.Append(new PromptSegment(new[] { token }));
        }
        return logprob;
    })];
}
