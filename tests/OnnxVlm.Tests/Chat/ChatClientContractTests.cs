using System.Diagnostics.Metrics;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Chat;

/// <summary>What Microsoft.Extensions.AI expects of a chat client, point by point.</summary>
internal sealed class ChatClientContractTests
{
    private static readonly ChatMessage[] Hello = [new(ChatRole.User, "hello")];

    [Test]
    public void Point1_NullMessages_ThrowsAtTheCall()
    {
        using VlmChatClient client = Client();

        Assert.That(() => { _ = client.GetStreamingResponseAsync((IEnumerable<ChatMessage>)null!); }, Throws.ArgumentNullException);
        Assert.That(() => { _ = client.GetResponseAsync((IEnumerable<ChatMessage>)null!); }, Throws.ArgumentNullException);
    }

    [Test]
    public async Task Point1_ManyThreads_EachGetsItsOwnAnswer()
    {
        using VlmChatClient client = Client("a", "b", "c");

        ChatResponse[] responses = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => Task.Run(() => client.GetResponseAsync(Hello))));

        Assert.That(responses.Select(response => response.Text), Is.All.EqualTo("abc"));
        Assert.That(responses.Select(response => response.ResponseId), Is.Unique);
    }

    [Test]
    public async Task Point2_Instructions_AddToTheSystemMessages()
    {
        ScriptedChatModel model = new(["ok"]);
        using VlmChatClient client = new(model);
        ChatOptions options = new() { Instructions = "Be brief." };

        await client.GetResponseAsync([new(ChatRole.System, "You read signs."), .. Hello], options);
        Assert.That(model.Seen, Is.EqualTo(new[] { "system: Be brief.\n\nYou read signs.", "user: hello" }));

        await client.GetResponseAsync(Hello, options);
        Assert.That(model.Seen, Is.EqualTo(new[] { "system: Be brief.", "user: hello" }));
    }

    [Test]
    public async Task Point3_Updates_CarryTheResponsesMetadata()
    {
        using VlmChatClient client = Client("a", "b");

        List<ChatResponseUpdate> updates = await client.GetStreamingResponseAsync(Hello).ToListAsync();

        Assert.That(updates, Has.Count.EqualTo(3));
        Assert.That(updates.Select(update => update.MessageId).Distinct(), Has.One.Items);
        Assert.That(updates.Select(update => update.ResponseId).Distinct(), Has.One.Items);
        Assert.That(updates.Select(update => update.CreatedAt).Distinct(), Has.One.Not.Null);
        Assert.That(updates.Select(update => update.ModelId), Is.All.EqualTo("scripted"));
        Assert.That(updates.Select(update => update.Role), Is.All.EqualTo(ChatRole.Assistant));
        Assert.That(updates.Select(update => update.FinishReason), Is.EqualTo(new ChatFinishReason?[] { null, null, ChatFinishReason.Stop }));
        Assert.That(updates.Select(update => update.RawRepresentation), Is.All.InstanceOf<GenerationUpdate>());
    }

    [Test]
    public async Task Point4_Usage_ComesOnceWithCachedTokens()
    {
        using VlmChatClient client = Client("a", "b");

        List<ChatResponseUpdate> updates = await client.GetStreamingResponseAsync(Hello).ToListAsync();

        UsageDetails usage = updates.SelectMany(update => update.Contents).OfType<UsageContent>().Single().Details;
        Assert.That((usage.InputTokenCount, usage.OutputTokenCount, usage.TotalTokenCount, usage.CachedInputTokenCount), Is.EqualTo((5L, 2L, 7L, 3L)));
        Assert.That(usage.AdditionalCounts![ChatProperties.ImageTokens], Is.EqualTo(2));
        Assert.That((await client.GetResponseAsync(Hello)).Usage!.TotalTokenCount, Is.EqualTo(7));
    }

    [Test]
    public async Task Point5_Logprobs_ComeWithEachTokenAndTogetherInTheResponse()
    {
        using VlmChatClient client = Client("a", "", "b");
        ChatOptions options = new() { AdditionalProperties = new() { [ChatProperties.TopLogprobs] = 1 } };

        List<ChatResponseUpdate> updates = await client.GetStreamingResponseAsync(Hello, options).ToListAsync();
        ChatResponse response = await client.GetResponseAsync(Hello, options);

        int[] streamed = [.. updates.SelectMany(LogprobsOf).Select(token => token.Token.TokenId)];
        Assert.That(streamed, Is.EqualTo(new[] { 0, 1, 2 }));
        TokenLogprobs[] all = (TokenLogprobs[])response.AdditionalProperties![ChatProperties.Logprobs]!;
        Assert.That(all.Select(token => token.Token.TokenId), Is.EqualTo(streamed));
        Assert.That(all.Select(token => token.Top.Count), Is.All.EqualTo(1));

        static IEnumerable<TokenLogprobs> LogprobsOf(ChatResponseUpdate update) => (IEnumerable<TokenLogprobs>?)update.AdditionalProperties?[ChatProperties.Logprobs] ?? [];
    }

    [Test]
    public async Task Point6_ConversationId_StaysNullAndIsRefused()
    {
        using VlmChatClient client = Client("a");

        Assert.That((await client.GetResponseAsync(Hello)).ConversationId, Is.Null);
        Assert.That(() => { _ = client.GetResponseAsync(Hello, new ChatOptions { ConversationId = "c1" }); }, Throws.ArgumentException.With.Message.Contains("ConversationId"));
    }

    [Test]
    public async Task Point7_ToolCall_IsEmittedWithItsOwnIdAndNeverInvoked()
    {
        int invoked = 0;
        AIFunction function = AIFunctionFactory.Create((string city) => { invoked++; return city; }, "weather");
        using VlmChatClient client = Client("<tool_call>\n", """{"name": "weather", "arguments": {"city": "Oslo"}}""", "\n</tool_call>");

        ChatResponse first = await client.GetResponseAsync(Hello, new ChatOptions { Tools = [function] });
        ChatResponse second = await client.GetResponseAsync(Hello, new ChatOptions { Tools = [function] });

        FunctionCallContent call = (FunctionCallContent)first.Messages.Single().Contents.Single();
        Assert.That(call.Name, Is.EqualTo("weather"));
        Assert.That(((JsonElement)call.Arguments!["city"]!).GetString(), Is.EqualTo("Oslo"));
        Assert.That(call.CallId, Is.Not.Empty.And.Not.EqualTo(((FunctionCallContent)second.Messages.Single().Contents.Single()).CallId));
        Assert.That(first.FinishReason, Is.EqualTo(ChatFinishReason.ToolCalls));
        Assert.That(invoked, Is.Zero);
    }

    [Test]
    public async Task Point8_Images_ReachTheModelAndOtherContentIsRefused()
    {
        ScriptedChatModel model = new(["ok"]);
        using VlmChatClient client = new(model);

        AIContent[] contents = [new DataContent(new byte[7], "image/png"), new UriContent("data:image/jpeg;base64,AAAA", "image/jpeg"), new TextContent("?")];
        await client.GetResponseAsync([new(ChatRole.User, contents)]);
        Assert.That(model.Seen, Is.EqualTo(new[] { "user: <image/png 7><image/jpeg 3>?" }));

        Refuses(new UriContent("https://example.com/a.png", "image/png"), "https://example.com/a.png");
        Refuses(new UriContent("file:///etc/passwd", "image/png"), "Nothing is fetched");
        Refuses(new DataContent(new byte[1], "audio/wav"), "audio/wav");
        Refuses(new ErrorContent("?"), nameof(ErrorContent));
        Refuses(new TextReasoningContent("?"), nameof(TextReasoningContent));
        Refuses(new HostedFileContent("f"), nameof(HostedFileContent));
        Refuses(new FunctionCallContent("1", "f"), "assistant");

        void Refuses(AIContent content, string why) =>
            Assert.That(() => { _ = client.GetResponseAsync([new(ChatRole.User, [content])]); }, Throws.ArgumentException.With.Message.Contains(why));
    }

    [Test]
    public async Task Point9_ResponseFormats_BecomeGuidance()
    {
        ScriptedChatModel model = new(["{}"]);
        using VlmChatClient client = new(model);

        await client.GetResponseAsync(Hello, new ChatOptions { ResponseFormat = ChatResponseFormat.Text });
        Assert.That(model.Options[^1].Guidance, Is.Null);

        await client.GetResponseAsync(Hello, new ChatOptions { ResponseFormat = ChatResponseFormat.Json });
        Assert.That(model.Options[^1].Guidance!.Grammar, Does.Contain("""
            "type":"object"
            """));

        await client.GetResponseAsync(Hello, new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema<Sign>() });
        Assert.That(model.Options[^1].Guidance!.Grammar, Does.Contain("letters"));
    }

    [Test]
    public void Point10_GetService_GivesMetadataSelfAndModel()
    {
        ScriptedChatModel model = new(["ok"]);
        using VlmChatClient client = new(model);

        ChatClientMetadata metadata = (ChatClientMetadata)client.GetService(typeof(ChatClientMetadata))!;
        Assert.That((metadata.ProviderName, metadata.DefaultModelId), Is.EqualTo(("onnxvlm", "scripted")));
        Assert.That(client.GetService(typeof(IChatClient)), Is.SameAs(client));
        Assert.That(client.GetService(typeof(VlmChatClient)), Is.SameAs(client));
        Assert.That(client.GetService(typeof(IChatModel)), Is.SameAs(model));
        Assert.That(client.GetService(typeof(string)), Is.Null);
        Assert.That(client.GetService(typeof(IChatClient), "key"), Is.Null);
        Assert.That(() => client.GetService(null!), Throws.ArgumentNullException);
    }

    [Test]
    public async Task Point11_RawRepresentationFactory_IsRefinedByTheFields()
    {
        ScriptedChatModel model = new(["ok"]);
        using VlmChatClient client = new(model);
        GenerationOptions native = new() { MinP = 0.25, Temperature = 0.5, StopSequences = ["native"] };
        ChatOptions options = new() { RawRepresentationFactory = _ => native, Temperature = 1.5f, StopSequences = ["typed"] };

        await client.GetResponseAsync(Hello, options);

        Assert.That((model.Options[0].MinP, model.Options[0].Temperature), Is.EqualTo((0.25, 1.5)));
        Assert.That(model.Options[0].StopSequences, Is.EqualTo(new[] { "native", "typed" }));
        Assert.That((native.Temperature, native.StopSequences.Count, options.StopSequences.Count), Is.EqualTo((0.5, 1, 1)));
        options.RawRepresentationFactory = _ => "text";
        Assert.That(() => { _ = client.GetResponseAsync(Hello, options); }, Throws.ArgumentException.With.Message.Contains("String"));
    }

    [Test]
    public async Task Point11_Request_ChangesNeitherOptionsNorMessages()
    {
        using VlmChatClient client = Client("ok");
        ChatMessage[] messages =
        [
            new(ChatRole.System, "s"),
            new(ChatRole.User, [new UriContent("data:image/png;base64,AAAA", "image/png")]),
            new(ChatRole.Tool, [new FunctionResultContent("1", "r")]),
        ];
        ChatOptions options = new()
        {
            Instructions = "i",
            Tools = [AIFunctionFactory.Create(() => 1, "one")],
            ResponseFormat = ChatResponseFormat.Json,
            AdditionalProperties = new() { [ChatProperties.MinP] = 0.1 },
            StopSequences = ["x"],
        };
        string before = Snapshot();

        await client.GetResponseAsync(messages, options);

        Assert.That(Snapshot(), Is.EqualTo(before));

        string Snapshot() =>
            JsonSerializer.Serialize(messages, AIJsonUtilities.DefaultOptions) + JsonSerializer.Serialize(options, AIJsonUtilities.DefaultOptions) + options.Tools!.Count;
    }

    [Test]
    public async Task Point12_Cancellation_ThrowsAndLeavingEarlyFreesTheSequence()
    {
        ScriptedChatModel model = new(["a", "b", "c"]);
        using VlmChatClient client = new(model);

        await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(Hello))
        {
            Assert.That(model.LiveAnswers, Is.EqualTo(1));
            break;
        }
        Assert.That(model.LiveAnswers, Is.Zero);

        using CancellationTokenSource source = new();
        Assert.That(
            async () =>
            {
                await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(Hello).WithCancellation(source.Token))
                    await source.CancelAsync();
            },
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(model.LiveAnswers, Is.Zero);
        Assert.That(async () => await client.GetResponseAsync(Hello, cancellationToken: new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task Point13_OpenTelemetry_MeasuresUnderTheStandardNames()
    {
        HashSet<string> measured = [];
        Dictionary<string, object?> tags = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (instrument.Meter.Name == "onnxvlm-test")
                it.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>((instrument, _, given, _) => Note(instrument, given));
        listener.SetMeasurementEventCallback<int>((instrument, _, given, _) => Note(instrument, given));
        listener.SetMeasurementEventCallback<long>((instrument, _, given, _) => Note(instrument, given));
        listener.Start();
        using IChatClient client = Client("a", "b").AsBuilder().UseOpenTelemetry(sourceName: "onnxvlm-test").Build();

        await client.GetStreamingResponseAsync(Hello).ToListAsync();

        Assert.That(measured, Is.SupersetOf(new[]
        {
            "gen_ai.client.operation.duration", "gen_ai.client.token.usage", "gen_ai.client.operation.time_to_first_chunk", "gen_ai.client.operation.time_per_output_chunk",
        }));
        Assert.That(tags["gen_ai.provider.name"], Is.EqualTo("onnxvlm"));
        Assert.That(tags["gen_ai.request.model"], Is.EqualTo("scripted"));

        void Note(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> given)
        {
            measured.Add(instrument.Name);
            foreach ((string name, object? value) in given)
                tags[name] = value;
        }
    }

    [Test]
    public async Task Point14_GetResponse_IsTheFoldedStream()
    {
        ScriptedChatModel model = new(["Let me ", "see.", "\n", "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"]) { FinishReason = FinishReason.Length };
        using VlmChatClient client = new(model);
        ChatOptions options = new() { Tools = [AIFunctionFactory.Create(() => 1, "now")] };

        ChatResponse folded = (await client.GetStreamingResponseAsync(Hello, options).ToListAsync()).ToChatResponse();
        ChatResponse response = await client.GetResponseAsync(Hello, options);

        Assert.That(response.Text, Is.EqualTo("Let me see.").And.EqualTo(folded.Text));
        Assert.That(response.Messages.Single().Contents.Select(content => content.GetType()), Is.EqualTo(folded.Messages.Single().Contents.Select(content => content.GetType())));
        Assert.That(response.FinishReason, Is.EqualTo(ChatFinishReason.Length).And.EqualTo(folded.FinishReason));
        Assert.That(response.Usage!.TotalTokenCount, Is.EqualTo(folded.Usage!.TotalTokenCount));
        Assert.That(response.RawRepresentation, Has.Property(nameof(GenerationUpdate.Statistics)).Not.Null);
    }

    private static VlmChatClient Client(params string[] pieces) => new(new ScriptedChatModel(pieces));

    private sealed record Sign(string Letters, int Count);
}
