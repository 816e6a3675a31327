using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

internal sealed class PhoneTests : PageFixture
{
    protected override BrowserNewContextOptions ContextOptions => new() { ViewportSize = new() { Width = 360, Height = 740 }, HasTouch = true, IsMobile = true };

    [Test]
    public async Task Width_EverythingShown_NothingScrollsSideways()
    {
        string longWord = new('w', 300);
        await AnswerWithAsync(new FakeToken($"{longWord}\n\n```\n{longWord}\n```\n\n| {longWord} | b |\n|---|---|\n| 1 | 2 |\n\n- {longWord}", 0.5, (longWord, 0.4)));
        await Page.GetByLabel("Files", new() { Exact = true }).SetInputFilesAsync(Enumerable.Repeat(PageServer.SampleImage, 8));
        await Expect(Pictures).ToHaveCountAsync(8);
        await AssertFitsAsync("attached pictures");
        await AskAsync(longWord);
        await AssertFitsAsync("answer");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Tokens" }).ClickAsync();
        await Answer.GetByRole(AriaRole.Option).First.TapAsync();
        await Expect(Page.GetByRole(AriaRole.Tooltip)).ToBeVisibleAsync();
        await AssertFitsAsync("token view");
        await Page.UnrouteAllAsync();
        await FailWithAsync(500, longWord);
        await AskAsync("Again");
        await AssertFitsAsync("error");
        await OpenSettingsAsync();
        await AssertFitsAsync("settings");
    }

    [Test]
    public async Task Width_ContextShown_NothingScrollsSideways([Values(320, 360)] int widthPx)
    {
        await Page.SetViewportSizeAsync(widthPx, 700);
        await AskAsync("What are you?");
        await Expect(Page.Locator("#context")).ToBeVisibleAsync();
        await AssertFitsAsync("context");
    }

    [Test]
    public async Task Settings_OnAPhone_CoverThePageUntilClosed()
    {
        await OpenSettingsAsync();
        Assert.That(await Page.EvaluateAsync<bool>("document.querySelector('#settings-panel').matches(':modal')"));
        await Page.GetByRole(AriaRole.Button, new() { Name = "Close settings" }).TapAsync();
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Settings", Exact = true })).ToBeFocusedAsync();
    }

    // Neither the page, nor the conversation, nor the settings are wider than the screen, and no control is outside of it.
    private async Task AssertFitsAsync(string what)
    {
        string[] wide = await Page.EvaluateAsync<string[]>("""
            () => [
                ...[document.documentElement, document.querySelector("main"), document.querySelector("#settings-panel")].filter((part) => part.scrollWidth > part.clientWidth),
                ...[...document.querySelectorAll("button, input, select, textarea, [role=tooltip]")].filter((part) => {
                    const { left, right, width } = part.getBoundingClientRect();
                    return width > 0 && !part.closest("pre, .table, .visually-hidden") && (left < 0 || right > window.innerWidth + 0.5);
                }),
            ].map((part) => part.outerHTML.slice(0, 80))
            """);
        Assert.That(wide, Is.Empty, what);
    }
}
