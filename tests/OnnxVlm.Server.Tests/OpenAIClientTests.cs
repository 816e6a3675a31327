using System.ClientModel;
using System.Text;
using System.Text.Json;
using OnnxVlm.Server.Tests.Support;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;

namespace OnnxVlm.Server.Tests;

/// <summary>The service as OpenAI's own .NET client sees it.</summary>
internal sealed class OpenAIClientTests
{
    private static readonly UserChatMessage ImageQuestion = new(
        ChatMessageContentPart.CreateImagePart(BinaryData.FromBytes(File.ReadAllBytes(Nano.SampleImage)), "image/png"),
        ChatMessageContentPart.CreateTextPart("What does the text say?"));

    [Test]
    public async Task CompleteChat_Image_IsAnswered()
    {
        ChatCompletion completion = await Client(SharedService.Service).CompleteChatAsync([ImageQuestion], new ChatCompletionOptions { MaxOutputTokenCount = 12 });

        Reply reply = await SharedService.Service.ChatAsync(
            new object[] { new { type = "image_url", image_url = new { url = Nano.SampleUri } }, new { type = "text", text = "What does the text say?" } }, new { max_tokens = 12 });
        Assert.That(completion.Content[0].Text, Is.EqualTo(reply.Content));
        Assert.That(completion.Role, Is.EqualTo(ChatMessageRole.Assistant));
        Assert.That(completion.Model, Is.EqualTo("nano"));
        Assert.That(completion.CreatedAt, Is.EqualTo(DateTimeOffset.UtcNow).Within(TimeSpan.FromMinutes(5)));
        Assert.That(completion.Usage.TotalTokenCount, Is.EqualTo(completion.Usage.InputTokenCount + completion.Usage.OutputTokenCount));
        Assert.That(completion.Usage.InputTokenDetails.CachedTokenCount, Is.GreaterThanOrEqualTo(0));
    }

    [Test]
    public async Task CompleteChatStreaming_Image_IsTheSameAnswer()
    {
        ChatCompletionOptions options = new() { MaxOutputTokenCount = 12 };
        ChatCompletion whole = await Client(SharedService.Service).CompleteChatAsync([ImageQuestion], options);
        StringBuilder text = new();
        ChatFinishReason? reason = null;
        ChatTokenUsage? usage = null;

        await foreach (StreamingChatCompletionUpdate update in Client(SharedService.Service).CompleteChatStreamingAsync([ImageQuestion], options))
        {
            text.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
            reason ??= update.FinishReason;
            usage ??= update.Usage;
        }

        Assert.That(text.ToString(), Is.EqualTo(whole.Content[0].Text));
        Assert.That(reason, Is.EqualTo(whole.FinishReason));
        Assert.That(usage!.OutputTokenCount, Is.EqualTo(whole.Usage.OutputTokenCount));
    }

    [Test]
    public async Task CompleteChat_EveryOption_IsTaken()
    {
        ChatCompletionOptions options = new()
        {
            MaxOutputTokenCount = 6,
            Temperature = 1.2f,
            TopP = 0.9f,
            PresencePenalty = 0.5f,
            FrequencyPenalty = 0.5f,
            IncludeLogProbabilities = true,
            TopLogProbabilityCount = 3,
            StopSequences = { "\u0001" },
            LogitBiases = { [1] = -100 },
            EndUserId = "someone",
            ResponseFormat = ChatResponseFormat.CreateTextFormat(),
#pragma warning disable OPENAI001
            Seed = 4,
#pragma warning restore OPENAI001
        };

        ChatCompletion first = await Client(SharedService.Service).CompleteChatAsync([new SystemChatMessage("Be brief."), ImageQuestion], options);
        ChatCompletion second = await Client(SharedService.Service).CompleteChatAsync([new SystemChatMessage("Be brief."), ImageQuestion], options);

        Assert.That(second.Content[0].Text, Is.EqualTo(first.Content[0].Text));
        Assert.That(first.ContentTokenLogProbabilities, Has.Count.EqualTo(first.Usage.OutputTokenCount));
        Assert.That(first.ContentTokenLogProbabilities.Select(token => token.TopLogProbabilities.Count), Is.All.EqualTo(3));
        Assert.That(Encoding.UTF8.GetString([.. first.ContentTokenLogProbabilities.SelectMany(token => token.Utf8Bytes!.Value.ToArray())]), Does.StartWith(first.Content[0].Text));
    }

    [Test]
    public async Task CompleteChat_JsonSchema_IsFollowed()
    {
        ChatCompletionOptions options = new()
        {
            MaxOutputTokenCount = 60,
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat(
                "sign", BinaryData.FromString("""{"type": "object", "properties": {"kind": {"enum": ["word", "number"]}}, "required": ["kind"], "additionalProperties": false}"""), jsonSchemaIsStrict: true),
        };

        ChatCompletion completion = await Client(SharedService.Service).CompleteChatAsync([ImageQuestion], options);

        Assert.That(JsonElement.Parse(completion.Content[0].Text).GetProperty("kind").GetString(), Is.EqualTo("word").Or.EqualTo("number"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task CompleteChat_Tools_CanBeCalledAndAnswered(bool streaming)
    {
        ScriptedLoader loader = new(["<tool_call>\n{\"name\": \"find_price\", \"arguments\": {\"product\": \"lamp\"}}\n</tool_call>"], ["It costs ", "49.90."]);
        await using TestService service = await TestService.StartAsync(loader);
        ChatClient client = Client(service);
        ChatCompletionOptions options = new()
        {
            Tools = { ChatTool.CreateFunctionTool("find_price", "The price.", BinaryData.FromString("""{"type": "object", "properties": {"product": {"type": "string"}}}""")) },
            ToolChoice = ChatToolChoice.CreateAutoChoice(),
            AllowParallelToolCalls = true,
        };
        List<ChatMessage> conversation = [new UserChatMessage("What does the lamp cost?")];

        ChatToolCall call = streaming ? await StreamCallAsync(client, conversation, options) : (await client.CompleteChatAsync(conversation, options)).Value.ToolCalls.Single();
        conversation.Add(new AssistantChatMessage([call]));
        conversation.Add(new ToolChatMessage(call.Id, "49.90"));
        ChatCompletion answer = await client.CompleteChatAsync(conversation, options);

        Assert.That(call.FunctionName, Is.EqualTo("find_price"));
        Assert.That(JsonElement.Parse(call.FunctionArguments.ToString()).GetProperty("product").GetString(), Is.EqualTo("lamp"));
        Assert.That(answer.Content[0].Text, Is.EqualTo("It costs 49.90."));
        Assert.That(loader.Model.Seen[^1], Is.EqualTo("tool: 49.90"));
    }

    [Test]
    public async Task Errors_AreClientResultExceptionsWithTheStatus()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "ApiKeys:0=sk-right");

        Assert.That(async () => await Client(service, "sk-wrong").CompleteChatAsync("hello"), Throws.InstanceOf<ClientResultException>().With.Property("Status").EqualTo(401));
        Assert.That(async () => await Client(service, "sk-right", "other").CompleteChatAsync("hello"), Throws.InstanceOf<ClientResultException>().With.Property("Status").EqualTo(404));
        Assert.That((await Client(service, "sk-right").CompleteChatAsync("hello")).Value.Content[0].Text, Is.EqualTo("x"));
        Assert.That(
            async () => await Client(SharedService.Service).CompleteChatAsync(new string('x', 10_000)),
            Throws.InstanceOf<ClientResultException>().With.Property("Status").EqualTo(400).And.Message.Contains("context_length_exceeded"));
    }

    [Test]
    public async Task Models_AreListed()
    {
        OpenAIModelClient client = new(new ApiKeyCredential("none"), Options(SharedService.Service));

        OpenAIModelCollection models = await client.GetModelsAsync();
        OpenAIModel model = await client.GetModelAsync("nano");

        Assert.That(models.Select(card => card.Id), Is.EqualTo(new[] { "nano" }));
        Assert.That((model.Id, model.OwnedBy), Is.EqualTo(("nano", "onnxvlm")));
    }

    private static async Task<ChatToolCall> StreamCallAsync(ChatClient client, List<ChatMessage> conversation, ChatCompletionOptions options)
    {
        string id = "", name = "";
        StringBuilder arguments = new();
        await foreach (StreamingChatCompletionUpdate update in client.CompleteChatStreamingAsync(conversation, options))
        {
            foreach (StreamingChatToolCallUpdate part in update.ToolCallUpdates)
            {
                id += part.ToolCallId;
                name += part.FunctionName;
                arguments.Append(part.FunctionArgumentsUpdate);
            }
        }
        return ChatToolCall.CreateFunctionToolCall(id, name, BinaryData.FromString(arguments.ToString()));
    }

    private static ChatClient Client(TestService service, string key = "none", string model = "nano") => new(model, new ApiKeyCredential(key), Options(service));

    private static OpenAIClientOptions Options(TestService service) => new() { Endpoint = new Uri(service.Address, "/v1"), RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(0) };
}
