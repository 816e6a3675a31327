using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using OnnxVlm.Chat;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Chat;

internal sealed class SemanticKernelTests
{
    [Test]
    public async Task ChatCompletionService_TextAndImage_ReachTheModel()
    {
        ScriptedChatModel model = new(["It says ", "STOP."]);
        using VlmChatClient client = new(model);
        IChatCompletionService service = client.AsChatCompletionService();
        ChatHistory history = new("You read signs.");
        history.AddUserMessage([new ImageContent(new byte[5], "image/png"), new Microsoft.SemanticKernel.TextContent("What does it say?")]);
        PromptExecutionSettings settings = new()
        {
            ExtensionData = new Dictionary<string, object> { ["temperature"] = 0.5, ["max_tokens"] = 20, [ChatProperties.MinP] = 0.1 },
        };

        ChatMessageContent answer = await service.GetChatMessageContentAsync(history, settings);
        List<StreamingChatMessageContent> stream = await service.GetStreamingChatMessageContentsAsync(history, settings).ToListAsync();

        Assert.That(answer.Content, Is.EqualTo("It says STOP."));
        Assert.That(string.Concat(stream.Select(update => update.Content)), Is.EqualTo("It says STOP."));
        Assert.That(model.Seen, Is.EqualTo(new[] { "system: You read signs.", "user: <image/png 5>What does it say?" }));
        Assert.That((model.Options[0].Temperature, model.Options[0].MaxNewTokens, model.Options[0].MinP), Is.EqualTo((0.5, 20, 0.1)));
    }

    [Test]
    public async Task KernelFunctions_ChosenByTheModel_AreInvoked()
    {
        ScriptedChatModel model = new(["<tool_call>\n{\"name\": \"shop_price\", \"arguments\": {\"product\": \"lamp\"}}\n</tool_call>"], ["It costs 49.9."]);
        using VlmChatClient client = new(model);
        IKernelBuilder builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton(provider => client.AsBuilder().UseKernelFunctionInvocation().Build(provider).AsChatCompletionService());
        Kernel kernel = builder.Build();
        kernel.Plugins.AddFromFunctions("shop", [KernelFunctionFactory.CreateFromMethod((string product) => product == "lamp" ? 49.9 : 0, "price", "Finds a price.")]);
        ChatHistory history = new();
        history.AddUserMessage("What does the lamp cost?");

        ChatMessageContent answer = await kernel.GetRequiredService<IChatCompletionService>()
            .GetChatMessageContentAsync(history, new PromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() }, kernel);

        Assert.That(answer.Content, Is.EqualTo("It costs 49.9."));
        Assert.That(model.Conversations, Has.Count.EqualTo(2));
        Assert.That(model.Seen[^1], Is.EqualTo("tool: 49.9"));
    }
}
