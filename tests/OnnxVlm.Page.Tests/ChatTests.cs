using System.Text.Json.Nodes;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

internal sealed class ChatTests : PageFixture
{
    [Test]
    public async Task Send_Question_AnswerIsTheApis()
    {
        await OpenSettingsAsync();
        await Setting("Temperature").FillAsync("0");
        await AskAsync("What are you?");
        string shown = await CopyAnswerAsync();

        JsonNode completion = await Server.CompleteAsync(Requests[0]);
        Assert.That(shown, Is.EqualTo((string?)completion["choices"]![0]!["message"]!["content"]).And.Not.Empty);
        Assert.That((bool?)Requests[0]["stream"], Is.True);
    }

    [Test]
    public async Task Send_SecondQuestion_ConversationIsSentWhole()
    {
        await AskAsync("What are you?");
        string first = await CopyAnswerAsync();
        await AskAsync("Who made you?");

        Assert.That(Requests[1]["messages"]!.AsArray().Select(message => ((string?)message!["role"], (string?)message["content"])),
            Is.EqualTo(new[] { ("user", "What are you?"), ("assistant", first), ("user", "Who made you?") }));
    }

    [Test]
    public async Task Answer_WhileItStreams_GrowsAndIsBusy()
    {
        await HoldToLongAnswersAsync();
        await SendAsync("What are you?");
        await Expect(Answer).ToHaveAttributeAsync("aria-busy", "true");
        int early = await WaitForTextAsync(longerThan: 0);
        int later = await WaitForTextAsync(longerThan: early);
        Assert.That(await Answer.GetAttributeAsync("aria-busy"), Is.EqualTo("true"), "it was shown before its end");
        await AnswerEndsAsync();
        Assert.That((await CopyAnswerAsync()).Length, Is.GreaterThan(later));
    }

    [TestCase("Escape")]
    [TestCase("button")]
    public async Task Stop_WhileItAnswers_TextSoFarStays(string how)
    {
        await HoldToLongAnswersAsync();
        await SlowDownAsync();
        await SendAsync("What are you?");
        await WaitForTextAsync(longerThan: 5);
        if (how == "button")
            await Page.GetByRole(AriaRole.Button, new() { Name = "Stop" }).ClickAsync();
        else
            await Page.Keyboard.PressAsync("Escape");
        await AnswerEndsAsync();

        await Expect(Answer.Locator(".statistics")).ToContainTextAsync("stopped");
        string text = await CopyAnswerAsync();
        Assert.That(text.Length, Is.InRange(6, 1_200));
        await Page.WaitForTimeoutAsync(300);
        Assert.That(await CopyAnswerAsync(), Is.EqualTo(text), "nothing comes after the stop");
    }

    [Test]
    public async Task Statistics_AfterTheAnswer_AreTheApisUsage()
    {
        await OpenSettingsAsync();
        await Setting("Temperature").FillAsync("0");
        await AskAsync("What are you?");

        JsonNode usage = (await Server.CompleteAsync(Requests[0]))["usage"]!;
        ILocator statistics = Answer.Locator(".statistics");
        await Expect(statistics).ToContainTextAsync($"answer {usage["completion_tokens"]} tokens");
        await Expect(statistics).ToContainTextAsync($"prompt {usage["prompt_tokens"]} tokens");
        await Expect(statistics).ToContainTextAsync(new System.Text.RegularExpressions.Regex(@"first token after \d+\.\d\d s · \d+(\.\d)? tokens/s"));
    }

    [Test]
    public async Task Statistics_SecondQuestion_TellWhatWasCached()
    {
        await AskAsync("What are you?");
        await AskAsync("Who made you?");
        await Expect(Answer.Locator(".statistics")).ToContainTextAsync(new System.Text.RegularExpressions.Regex(@"prompt \d+ tokens, \d+ of them cached"));
    }

    [Test]
    public async Task Retry_LastAnswer_AsksTheSameAgain()
    {
        await AskAsync("What are you?");
        await AskAsync("Who made you?");
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Retry" })).ToHaveCountAsync(1); // at the last answer only
        await Page.GetByRole(AriaRole.Button, new() { Name = "Retry" }).ClickAsync();
        await AnswerEndsAsync();

        Assert.That(Requests[2].ToJsonString(), Is.EqualTo(Requests[1].ToJsonString()));
        await Expect(Page.Locator("article")).ToHaveCountAsync(2);
    }

    [Test]
    public async Task Edit_LastQuestion_TakesItsPlace()
    {
        await Page.GetByLabel("Files", new() { Exact = true }).SetInputFilesAsync(PageServer.SampleImage);
        await Expect(Pictures).ToHaveCountAsync(1);
        await AskAsync("What does it say?");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Edit" }).ClickAsync();
        await Expect(Message).ToHaveValueAsync("What does it say?");
        await Expect(Pictures).ToHaveCountAsync(1);
        await AskAsync("What does the text say?");

        JsonArray messages = Requests[1]["messages"]!.AsArray();
        Assert.That(messages, Has.Count.EqualTo(1));
        Assert.That((string?)messages[0]!["content"]![1]!["text"], Is.EqualTo("What does the text say?"));
        await Expect(Page.Locator("article")).ToHaveCountAsync(1);
    }

    [Test]
    public async Task Edit_Cancelled_LeavesTheConversation()
    {
        await AskAsync("What are you?");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Edit" }).ClickAsync();
        await Page.Keyboard.PressAsync("Escape");
        await Expect(Message).ToHaveValueAsync("");
        await AskAsync("Who made you?");
        await Expect(Page.Locator("article")).ToHaveCountAsync(2);
    }

    [Test]
    public async Task NewChat_AfterAnAnswer_ForgetsTheConversation()
    {
        await AskAsync("What are you?");
        await Page.GetByRole(AriaRole.Button, new() { Name = "New chat" }).ClickAsync();
        await Expect(Page.Locator("article")).ToHaveCountAsync(0);
        await AskAsync("Who made you?");
        Assert.That(Requests[1]["messages"]!.AsArray(), Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Markdown_OfAnAnswer_IsShown()
    {
        await AnswerWithAsync(new FakeToken("## Title\n\nSome **bold** and `code` and [a link](https://example.org/).\n\n1. one\n2. two\n   - inner\n\n"
            + "| a | b |\n|---|---|\n| 1 | 2 |\n\n> quoted\n\n```csharp\nint x = 1; // note\n```\n"));
        await AskAsync("Anything");

        string[] selectors = ["h3", "strong", "p code", "a[href='https://example.org/'][rel='noopener noreferrer']", "ol > li > ul > li", "table tbody td", "blockquote p", "pre .hljs-built_in", "pre .hljs-comment"];
        foreach (string selector in selectors)
            Assert.That(await AnswerText.Locator(selector).CountAsync(), Is.GreaterThan(0), selector);
    }

    // Waits until more than so many characters of the answer are shown, and tells how many there are.
    private async Task<int> WaitForTextAsync(int longerThan)
    {
        IJSHandle length = await Page.WaitForFunctionAsync(
            "longerThan => { const pre = document.querySelector('.answer pre'); return pre && pre.textContent.length > longerThan ? pre.textContent.length : 0; }", longerThan, new() { PollingInterval = 20 });
        return await length.JsonValueAsync<int>();
    }
}
