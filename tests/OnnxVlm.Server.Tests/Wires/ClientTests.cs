using System.ClientModel;
using System.Text.Json;
using Anthropic;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;
using OllamaSharp;
using OnnxVlm.Server.Tests.Support;
using OnnxVlm.Tests.Fakes;
using OpenAI;

namespace OnnxVlm.Server.Tests.Wires;

/// <summary>The shipped model through the official .NET clients of every wire, all by the same questions: text, an image, functions with a second round, a JSON schema, a stream, an error.</summary>
internal sealed class ClientTests
{
    private const string Chat = "OpenAI chat", Responses = "OpenAI responses", Messages = "Anthropic", Lines = "Ollama";

    private static readonly string[] Names = [Chat, Responses, Messages, Lines];

    // Ollama's wire has no way to ask for a call, and the shipped model was taught none.
    private static readonly string[] NamesThatRequire = [Chat, Responses, Messages];

    private static readonly ChatMessage ImageQuestion = new(ChatRole.User, [new DataContent(File.ReadAllBytes(Nano.SampleImage), "image/png"), new TextContent("What does the text say?")]);

    private static readonly JsonElement Schema = JsonElement.Parse("""{"type": "object", "properties": {"shop": {"type": "string", "enum": ["Rossi", "Bianchi"]}, "total": {"type": "integer", "enum": [5, 7]}}, "required": ["shop", "total"], "additionalProperties": false}""");

    [TestCaseSource(nameof(Names))]
    public async Task Text_Asked_IsAnsweredAsByTheModelItself(string name)
    {
        using IChatClient client = ClientOf(name);

        ChatResponse response = await client.GetResponseAsync("Hello", new ChatOptions { MaxOutputTokens = 20 });

        Reply reply = await SharedService.Service.ChatAsync("Hello", new { max_tokens = 20 });
        Assert.That(response.Text, Is.EqualTo(reply.Content));
        Assert.That(response.Usage!.OutputTokenCount, Is.EqualTo(reply.Json.GetProperty("usage").GetProperty("completion_tokens").GetInt64()));
        // The adapter of the Responses tells none of a whole answer.
        if (name != Responses)
            Assert.That(response.FinishReason, Is.EqualTo(reply.FinishReason == "stop" ? ChatFinishReason.Stop : ChatFinishReason.Length));
    }

    [TestCaseSource(nameof(Names))]
    public async Task Image_Asked_IsAnsweredTheSameWholeAndStreamed(string name)
    {
        using IChatClient client = ClientOf(name);
        ChatOptions options = new() { MaxOutputTokens = 20 };

        ChatResponse whole = await client.GetResponseAsync([ImageQuestion], options);
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync([ImageQuestion], options))
            updates.Add(update);

        ChatResponse streamed = updates.ToChatResponse();
        Reply reply = await SharedService.Service.ChatAsync(new object[] { new { type = "image_url", image_url = new { url = Nano.SampleUri } }, new { type = "text", text = "What does the text say?" } }, new { max_tokens = 20 });
        Assert.That((whole.Text, streamed.Text), Is.EqualTo((reply.Content, reply.Content)));
        Assert.That(updates.Count(update => update.Text.Length > 0), Is.GreaterThan(1));
        Assert.That(streamed.FinishReason, Is.EqualTo(whole.FinishReason ?? streamed.FinishReason));
        Assert.That(streamed.Usage!.OutputTokenCount, Is.EqualTo(whole.Usage!.OutputTokenCount));
    }

    [TestCaseSource(nameof(NamesThatRequire))]
    public async Task Function_Required_IsCalledAndItsResultReadInASecondRound(string name)
    {
        List<string> cities = [];
        using IChatClient client = ClientOf(name).AsBuilder().UseFunctionInvocation(null, invoking => invoking.MaximumIterationsPerRequest = 2).Build();
        AIFunction weather = AIFunctionFactory.Create(
            (City city) =>
            {
                cities.Add(city.ToString());
                return "sunny";
            },
            "weather", "The weather of a city.");

        foreach (bool streams in new[] { false, true })
        {
            cities.Clear();
            ChatOptions options = new() { Tools = [weather], ToolMode = ChatToolMode.RequireSpecific("weather"), MaxOutputTokens = 100 };
            ChatResponse response = streams ? await client.GetStreamingResponseAsync("What is the weather in Rome?", options).ToChatResponseAsync() : await client.GetResponseAsync("What is the weather in Rome?", options);

            Assert.That(cities, Is.Not.Empty.And.SubsetOf(Enum.GetNames<City>()));
            FunctionCallContent call = response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>().First();
            FunctionResultContent result = response.Messages.SelectMany(message => message.Contents).OfType<FunctionResultContent>().First();
            Assert.That((call.Name, result.CallId), Is.EqualTo(("weather", call.CallId)));
            Assert.That(response.Messages.Count(message => message.Role == ChatRole.Assistant), Is.GreaterThanOrEqualTo(2), "an answer comes after the result");
        }
    }

    [TestCaseSource(nameof(Names))]
    public async Task Schema_Given_IsFollowed(string name)
    {
        using IChatClient client = ClientOf(name);

        ChatResponse response = await client.GetResponseAsync("A receipt, please.", new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(Schema, "receipt"), MaxOutputTokens = 100 });

        JsonElement receipt = JsonElement.Parse(response.Text);
        Assert.That((receipt.GetProperty("shop").GetString(), receipt.GetProperty("total").GetInt32()), Is.AnyOf(("Rossi", 5), ("Rossi", 7), ("Bianchi", 5), ("Bianchi", 7)));
    }

    [TestCaseSource(nameof(Names))]
    public async Task Request_ThatCannotBeHonoured_IsAnError(string name)
    {
        using IChatClient client = ClientOf(name), other = ClientOf(name, "no-such-model");

        // Anthropic's adapter sends no temperature.
        ChatOptions refused = name == Messages ? new ChatOptions { StopSequences = ["a", "b", "c", "d", "e"] } : new ChatOptions { Temperature = 5 };
        Exception? range = await Assert.CatchAsync(async () => await client.GetResponseAsync("Hello", refused));
        Exception? unknown = await Assert.CatchAsync(async () => await other.GetResponseAsync("Hello"));

        Assert.That(range!.ToString(), Does.Contain(name == Messages ? "stop_sequences" : "temperature"));
        // OllamaSharp tells the status only.
        Assert.That(unknown!.ToString(), Does.Contain(name == Lines ? "404" : "model"));
        await Assert.CatchAsync(async () => await client.GetStreamingResponseAsync("Hello", refused).ToChatResponseAsync());
    }

    [Test]
    public async Task Ollama_FunctionThatTheModelCalls_IsCalledAndItsResultReadInASecondRound()
    {
        ScriptedChatModel model = new(["<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>"], ["It is sunny."]) { UsesTools = true };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model));
        using OllamaApiClient ollama = new(service.Address, "nano");
        using IChatClient client = new ChatClientBuilder(ollama).UseFunctionInvocation().Build();
        List<City> cities = [];

        ChatResponse response = await client.GetResponseAsync("What is the weather in Rome?", new ChatOptions
        {
            Tools = [AIFunctionFactory.Create(
                (City city) =>
                {
                    cities.Add(city);
                    return "sunny";
                },
                "weather", "The weather of a city.")],
        });

        Assert.That((response.Text, cities.Single()), Is.EqualTo(("It is sunny.", City.Rome)));
        Assert.That(model.Conversations[1].Select(message => message.Role), Is.EqualTo(new[] { ChatRole.User, ChatRole.Assistant, ChatRole.Tool }));
    }

    [Test]
    public async Task Ollama_CallAndResultOfAnEarlierRound_AreReadByTheShippedModel()
    {
        using IChatClient client = ClientOf(Lines);

        ChatResponse response = await client.GetResponseAsync(
            [
                new ChatMessage(ChatRole.User, "What is the weather in Rome?"),
                new ChatMessage(ChatRole.Assistant, [new FunctionCallContent("call_1", "weather", new Dictionary<string, object?> { ["city"] = "Rome" })]),
                new ChatMessage(ChatRole.Tool, [new FunctionResultContent("call_1", "sunny")]),
            ],
            new ChatOptions { Tools = [AIFunctionFactory.Create((City city) => "sunny", "weather")], MaxOutputTokens = 20 });

        Assert.That(response.FinishReason, Is.EqualTo(ChatFinishReason.Stop).Or.EqualTo(ChatFinishReason.Length));
    }

    [TestCaseSource(nameof(NamesThatRequire))]
    public async Task Agent_OfTheAgentFramework_TalksCallsAndRemembers(string name)
    {
        int calls = 0;
        using IChatClient client = ClientOf(name);
        ChatClientAgent agent = new(client, new ChatClientAgentOptions
        {
            Name = "helper",
            ChatOptions = new ChatOptions
            {
                Instructions = "Be brief.",
                MaxOutputTokens = 60,
                Tools = [AIFunctionFactory.Create((City city) => $"{++calls} in {city}", "weather", "The weather of a city.")],
                ToolMode = ChatToolMode.RequireAny,
            },
        });
        AgentSession session = await agent.CreateSessionAsync();

        AgentResponse first = await agent.RunAsync("What is the weather in Rome?", session);
        int after = calls;
        AgentResponse second = await agent.RunAsync("Thanks.", session);

        Assert.That(after, Is.Positive);
        Assert.That(first.Messages.SelectMany(message => message.Contents).OfType<FunctionResultContent>(), Is.Not.Empty);
        Assert.That(second.Messages, Is.Not.Empty);
    }

    private static IChatClient ClientOf(string name, string model = "nano")
    {
        Uri address = SharedService.Service.Address;
        OpenAIClient openAI = new(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(address, "v1"), RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(0) });
        return name switch
        {
            Chat => openAI.GetChatClient(model).AsIChatClient(),
#pragma warning disable OPENAI001 // The Responses of OpenAI's client may change yet.
            Responses => openAI.GetResponsesClient().AsIChatClient(model),
#pragma warning restore OPENAI001
            Messages => new AnthropicClient { BaseUrl = address.GetLeftPart(UriPartial.Authority), ApiKey = "none", MaxRetries = 0 }.AsIChatClient(model, 200),
            _ => new OllamaApiClient(address, model),
        };
    }

    private enum City
    {
        Rome,
        Milan,
    }
}
