using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

internal sealed class ErrorTests : PageFixture
{
    private ILocator Error => Answer.GetByRole(AriaRole.Alert);

    [Test]
    public async Task Error_OfTheServer_IsOneLineAndRetryWorks()
    {
        await FailWithAsync(500, "The answer could not be generated");
        await AskAsync("What are you?");
        await Expect(Error.Locator("span")).ToHaveTextAsync("The answer could not be generated.");
        await Page.UnrouteAllAsync();
        await Error.GetByRole(AriaRole.Button, new() { Name = "Try again" }).ClickAsync();
        await AnswerEndsAsync();
        await Expect(Error).ToBeHiddenAsync();
        Assert.That(await CopyAnswerAsync(), Is.Not.Empty);
    }

    [Test]
    public async Task Error_QueueFull_SaysWhenToTryAgain()
    {
        await FailWithAsync(429, "The queue is full", retryAfter: "7");
        await AskAsync("What are you?");
        await Expect(Error.Locator("span")).ToHaveTextAsync("The queue is full. Try again in 7 s.");
    }

    [Test]
    public async Task Error_OfTheRealServer_NamesTheField()
    {
        await OpenSettingsAsync();
        await Setting("Top p").FillAsync("0");
        await AskAsync("What are you?");
        await Expect(Error.Locator("span")).ToContainTextAsync("top_p");
    }

    [Test]
    public async Task Error_InTheStream_KeepsTheTextBeforeIt()
    {
        string stream = FakeStream.Of(new FakeToken("Half an")).Replace("data: [DONE]", """data: {"error":{"message":"The model stumbled","type":"server_error","param":null,"code":null}}""", StringComparison.Ordinal);
        await Page.RouteAsync("**/v1/chat/completions", route => route.FulfillAsync(new() { ContentType = "text/event-stream", Body = stream }));
        await AskAsync("What are you?");
        await Expect(Error.Locator("span")).ToHaveTextAsync("The model stumbled");
        await Expect(AnswerText).ToHaveTextAsync("Half an");
    }

    [Test]
    public async Task Error_StreamEndsEarly_IsSaid()
    {
        string stream = FakeStream.Of(new FakeToken("Half an")).Replace("data: [DONE]\n\n", "", StringComparison.Ordinal);
        await Page.RouteAsync("**/v1/chat/completions", route => route.FulfillAsync(new() { ContentType = "text/event-stream", Body = stream }));
        await AskAsync("What are you?");
        await Expect(Error.Locator("span")).ToHaveTextAsync("The connection ended before the answer did.");
    }

    [Test]
    public async Task Error_ServerGone_IsSaid()
    {
        await Page.RouteAsync("**/v1/chat/completions", route => route.AbortAsync("connectionrefused"));
        await AskAsync("What are you?");
        await Expect(Error.Locator("span")).ToContainTextAsync("The server cannot be reached");
    }

    [Test]
    public async Task Models_ServerNotReady_RetryLoadsThem()
    {
        await Page.RouteAsync("**/v1/models", route => route.FulfillAsync(new() { Status = 503, Body = "" }));
        await Page.ReloadAsync();
        await Expect(Note).ToContainTextAsync("The server answered 503");
        await Page.UnrouteAllAsync();
        await Note.GetByRole(AriaRole.Button, new() { Name = "Try again" }).ClickAsync();
        await Expect(Page.GetByRole(AriaRole.Combobox, new() { Name = "Model" })).ToHaveValueAsync("nano");
    }
}
