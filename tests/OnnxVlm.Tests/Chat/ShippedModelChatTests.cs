using System.ComponentModel.DataAnnotations;
using System.Text;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Chat;

/// <summary>The client on the model that ships with the repository. What the model answers does not matter here.</summary>
internal sealed class ShippedModelChatTests
{
    private static readonly ChatMessage[] Question =
        [new(ChatRole.User, [new DataContent(File.ReadAllBytes(Nano.SampleImage), "image/png"), new TextContent("What does the text say?")])];

    private readonly VlmChatClient _client = new(Nano.Model);

    [OneTimeTearDown]
    public void Dispose() => _client.Dispose();

    [Test]
    public async Task GetResponse_ImageQuestion_IsWhatTheModelGenerates()
    {
        Prompt prompt = Nano.Model.CreatePrompt(Question);
        StringBuilder direct = new();
        await foreach (GenerationUpdate update in Nano.Model.GenerateAsync(prompt, new GenerationOptions { MaxNewTokens = 20 }))
            direct.Append(update.Text);

        ChatResponse response = await _client.GetResponseAsync(Question, new ChatOptions { MaxOutputTokens = 20 });

        Assert.That(response.Text, Is.EqualTo(direct.ToString()));
        Assert.That(response.Usage!.InputTokenCount, Is.EqualTo(prompt.TokenCount));
        Assert.That(response.Usage.AdditionalCounts![ChatProperties.ImageTokens], Is.EqualTo(prompt.ImageTokenCount));
        Assert.That(response.ModelId, Is.EqualTo(Nano.Model.Manifest.Source.Name));
    }

    [Test]
    public async Task GetResponse_SecondTurn_ReadsOnlyWhatIsNew()
    {
        List<ChatMessage> messages = [.. Question];

        ChatResponse first = await _client.GetResponseAsync(messages, new ChatOptions { MaxOutputTokens = 5 });
        messages.AddMessages(first);
        messages.Add(new(ChatRole.User, "And in capital letters?"));
        ChatResponse second = await _client.GetResponseAsync(messages, new ChatOptions { MaxOutputTokens = 5 });

        Assert.That(second.Usage!.CachedInputTokenCount, Is.GreaterThanOrEqualTo(first.Usage!.InputTokenCount!.Value));
    }

    [Test]
    public async Task GetResponse_RecordAtHighTemperature_IsAlwaysARecord()
    {
        for (int seed = 0; seed < 10; seed++)
        {
            ChatResponse<Light> response = await _client.GetResponseAsync<Light>("hello", new ChatOptions { Temperature = 1.5f, Seed = seed, MaxOutputTokens = 100 });

            Assert.That(response.TryGetResult(out Light? light), Is.True, response.Text);
            Assert.That(light!.Lamps, Is.All.Matches<Lamp>(Enum.IsDefined));
        }
    }

    [Test]
    public async Task GetStreamingResponse_Logprobs_AreOfTheTokensOfTheText()
    {
        ChatOptions options = new() { MaxOutputTokens = 8, Temperature = 1, Seed = 3, AdditionalProperties = new() { [ChatProperties.TopLogprobs] = 2 } };

        ChatResponse response = await _client.GetResponseAsync("hello", options);

        TokenLogprobs[] tokens = (TokenLogprobs[])response.AdditionalProperties![ChatProperties.Logprobs]!;
        Assert.That(tokens, Has.Length.EqualTo(response.Usage!.OutputTokenCount));
        Assert.That(Encoding.UTF8.GetString([.. tokens.SelectMany(token => token.Token.Bytes.ToArray())]), Is.EqualTo(response.Text));
        Assert.That(tokens.Select(token => token.Top.Count), Is.All.EqualTo(2));
    }

    [Test]
    public async Task GetStreamingResponse_Cancelled_ThrowsAndTheNextAnswerIsWhole()
    {
        ChatOptions options = new() { MaxOutputTokens = 20, Temperature = 1, Seed = 5 };
        string whole = (await _client.GetResponseAsync(Question, options)).Text;
        using CancellationTokenSource source = new();

        Assert.That(
            async () =>
            {
                await foreach (ChatResponseUpdate _ in _client.GetStreamingResponseAsync(Question, options, source.Token))
                    await source.CancelAsync();
            },
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That((await _client.GetResponseAsync(Question, options)).Text, Is.EqualTo(whole));
    }

    [Test]
    public void GetResponse_ThatCannotWork_SaysWhy()
    {
        Assert.That(async () => await _client.GetResponseAsync(new string('x', 5000)), Throws.InstanceOf<PromptTooLongException>());
        Assert.That(async () => await _client.GetResponseAsync([new(ChatRole.User, [new DataContent(new byte[9], "image/png")])]), Throws.InstanceOf<InvalidImageException>());
        Assert.That(
            async () => await _client.GetResponseAsync("hello", new ChatOptions { AdditionalProperties = new() { [ChatProperties.LarkGrammar] = "start: nowhere" } }),
            Throws.ArgumentException.With.Message.Contains("Lark grammar"));
    }

    [Test]
    public async Task GetResponse_RecordOfManyTypes_CanBeEnforced()
    {
        ChatOptions options = new() { MaxOutputTokens = 1, ResponseFormat = ChatResponseFormat.ForJsonSchema<Everything>() };

        ChatResponse response = await _client.GetResponseAsync("hello", options);

        Assert.That(response.Text, Does.StartWith("{"));
    }

    private sealed record Everything(
        string Text,
        char Letter,
        byte[] Data,
        long Integer,
        decimal Number,
        bool? Flag,
        Lamp Lamp,
        Guid Id,
        Uri Link,
        Version Version,
        DateTime Time,
        DateTimeOffset Instant,
        DateOnly Day,
        TimeOnly Hour,
        TimeSpan Duration,
        List<Everything> Parts,
        Dictionary<string, int> Counts,
        [property: System.ComponentModel.DataAnnotations.Range(1, 5)] int Stars,
        [property: System.ComponentModel.DataAnnotations.EmailAddress] string Mail,
        [property: System.ComponentModel.DataAnnotations.Base64String] string Blob,
        [property: System.ComponentModel.DataAnnotations.RegularExpression("^[A-Z]{3}$")] string Code,
        [property: System.ComponentModel.DataAnnotations.StringLength(5, MinimumLength = 2)] string Name);

    private enum Lamp
    {
        Red,
        Yellow,
        Green,
    }

    private sealed record Light(bool IsOn, Lamp Lamp, [property: MaxLength(4)] Lamp[] Others)
    {
        [System.Text.Json.Serialization.JsonIgnore]
        public IEnumerable<Lamp> Lamps => [Lamp, .. Others];
    }
}
