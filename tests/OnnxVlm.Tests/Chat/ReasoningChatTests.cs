using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Chat;

internal sealed class ReasoningChatTests
{
    [Test]
    public async Task GetStreamingResponseAsync_EffortAskedFor_GivesReasoningApartAndLeavesToTheTemplateWhatIsReadAgain()
    {
        ScriptedChatModel model = new(["hm, ", "yes", "Yes", "."]) { CanReason = true, ReasoningPieces = 2 };
        using VlmChatClient client = new(model);
        ChatOptions options = new() { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High, Output = ReasoningOutput.Full } };
        List<ChatMessage> conversation = [new(ChatRole.User, "Well?")];

        ChatResponse response = await client.GetResponseAsync(conversation, options);
        conversation.AddMessages(response);
        conversation.Add(new ChatMessage(ChatRole.User, "Sure?"));
        await client.GetResponseAsync(conversation);

        Assert.That(response.Text, Is.EqualTo("Yes."));
        Assert.That(string.Concat(response.Messages[0].Contents.OfType<TextReasoningContent>().Select(content => content.Text)), Is.EqualTo("hm, yes"));
        Assert.That(model.Prompting.Select(options => options.Reasons), Is.EqualTo(new bool?[] { true, null }));
        Assert.That(model.Seen, Is.EqualTo(new[] { "user: Well?", "assistant: hm, yesYes.", "user: Sure?" }));
    }

    [Test]
    public async Task GetResponseAsync_OutputNone_KeepsReasoningToItself()
    {
        ScriptedChatModel model = new(["hm", "Yes"]) { CanReason = true, ReasoningPieces = 1 };
        using VlmChatClient client = new(model);

        ChatResponse response = await client.GetResponseAsync("Well?", new ChatOptions { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.Low, Output = ReasoningOutput.None } });

        Assert.That(response.Messages[0].Contents.OfType<TextReasoningContent>(), Is.Empty);
        Assert.That(response.Text, Is.EqualTo("Yes"));
        Assert.That(model.Prompting.Single().Reasons, Is.True);
    }

    [Test]
    public async Task GetResponseAsync_ReasoningAndJson_GrammarHoldsBehindTheReasoning()
    {
        ScriptedChatModel model = new(["hm", "\n\n", "{}"]) { CanReason = true, ReasoningPieces = 1 };
        using VlmChatClient client = new(model);

        ChatResponse response = await client.GetResponseAsync("Well?", new ChatOptions { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.Low }, ResponseFormat = ChatResponseFormat.Json });

        Assert.That(response.Text, Is.EqualTo("{}"));
        Assert.That((model.Options[0].Reasons, model.Options[0].Guidance is null), Is.EqualTo((true, false)));
    }

    [Test]
    public void GetResponseAsync_Summary_Refused()
    {
        using VlmChatClient client = new(new ScriptedChatModel(["Yes"]) { CanReason = true });
        Assert.That(
            () => client.GetResponseAsync("Well?", new ChatOptions { Reasoning = new ReasoningOptions { Output = ReasoningOutput.Summary } }),
            Throws.ArgumentException.With.Message.Contains("not summarized"));
    }
}
