using System.Text.Json.Nodes;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

/// <summary>What a model thinks before it answers: shown apart from the answer, and never sent back.</summary>
internal sealed class ReasoningTests : PageFixture
{
    private ILocator Reasoning => Answer.Locator("details.reasoning");

    [Test]
    public async Task Answer_WithReasoning_ThoughtsAreFoldedAndTheAnswerIsTheRest()
    {
        await AnswerWithAsync(FakeToken.Thought("Two and two "), FakeToken.Thought("<b>make</b> four."), new FakeToken("It is "), new FakeToken("4"));
        await AskAsync("What is 2 + 2?");

        await Expect(AnswerText).ToHaveTextAsync("It is 4");
        await Expect(Reasoning).ToBeVisibleAsync();
        await Expect(Reasoning.Locator("p")).ToBeHiddenAsync();
        await Reasoning.Locator("summary").ClickAsync();
        await Expect(Reasoning.Locator("p")).ToHaveTextAsync("Two and two <b>make</b> four.");
        Assert.That(await CopyAnswerAsync(), Is.EqualTo("It is 4"));
        await Expect(Reasoning.Locator("p")).ToBeVisibleAsync();
    }

    [Test]
    public async Task Answer_OnlyThoughts_AreOpen()
    {
        await AnswerWithAsync(FakeToken.Thought("Hm."));
        await AskAsync("What is 2 + 2?");

        await Expect(Reasoning).Not.ToHaveClassAsync("reasoning thinking");
        await Expect(Reasoning.Locator("p")).ToHaveTextAsync("Hm.");
    }

    [Test]
    public async Task Send_NextQuestion_ReasoningIsNotSent()
    {
        await AnswerWithAsync(FakeToken.Thought("Two and two make four."), new FakeToken("4"));
        await AskAsync("What is 2 + 2?");
        await AskAsync("Sure?");

        Assert.That(Requests[1]["messages"]!.AsArray().Select(message => (string?)message!["content"]), Is.EqualTo(new[] { "What is 2 + 2?", "4", "Sure?" }));
    }

    [Test]
    public async Task Answer_WithoutReasoning_ShowsNone()
    {
        await AskAsync("What are you?");
        await Expect(Reasoning).ToBeHiddenAsync();
    }

    [TestCase("off", "none")]
    [TestCase("on", "medium")]
    public async Task Send_ReasoningSet_IsInTheRequest(string label, string effort)
    {
        await AnswerWithAsync(new FakeToken("4"));
        await OpenSettingsAsync();
        await Setting("Reasoning").SelectOptionAsync(label);
        await AskAsync("What is 2 + 2?");

        Assert.That((string?)Requests[0]["reasoning_effort"], Is.EqualTo(effort));
    }

    [Test]
    public async Task Send_ReasoningOfAModelWithout_ErrorSaysSo()
    {
        await OpenSettingsAsync();
        await Setting("Reasoning").SelectOptionAsync("on");
        await AskAsync("What are you?");

        await Expect(Answer.Locator(".error")).ToContainTextAsync("reasoning");
    }
}
