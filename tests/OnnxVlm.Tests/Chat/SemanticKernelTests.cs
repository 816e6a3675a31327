using Microsoft.Extensions.AI;
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
        PromptExecutionSettings settings = new() { ExtensionData = new Dictionary<string, object> { ["temperature"] = 0.5, ["max_tokens"] = 20, [ChatProperties.MinP] = 0.1 } };

        ChatMessageContent answer = await service.GetChatMessageContentAsync(history, settings);
        List<StreamingChatMessageContent> stream = await service.GetStreamingChatMessageContentsAsync(history, settings).ToListAsync();

        Assert.That(answer.Content, Is.EqualTo("It says STOP."));
        Assert.That(string.Concat(stream.Select(update => update.Content)), Is.EqualTo("It says STOP."));
        Assert.That(model.Seen, Is.EqualTo(new[] { "system: You read signs.", "user: <image/png 5>What does it say?" }));
        Assert.That((model.Options[0].Temperature, model.Options[0].MaxNewTokens, model.Options[0].MinP), Is.EqualTo((0.5, 20, 0.1)));
    }
}
