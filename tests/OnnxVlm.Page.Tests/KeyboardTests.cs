using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

internal sealed class KeyboardTests : PageFixture
{
    [Test]
    public async Task Open_Page_MessageHasTheFocus() => await Expect(Message).ToBeFocusedAsync();

    [Test]
    public async Task Enter_SendsAndShiftEnterStartsALine()
    {
        await Page.Keyboard.TypeAsync("What are");
        await Page.Keyboard.PressAsync("Shift+Enter");
        await Page.Keyboard.TypeAsync("you?");
        Assert.That(Requests, Is.Empty);
        await Page.Keyboard.PressAsync("Enter");
        await AnswerEndsAsync();
        Assert.That((string?)Requests[0]["messages"]![0]!["content"], Is.EqualTo("What are\nyou?"));
    }

    [Test]
    public async Task Enter_WhileComposing_DoesNotSend()
    {
        await Message.FillAsync("にほん");
        await Message.EvaluateAsync("element => element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true }))");
        await Expect(Message).ToHaveValueAsync("にほん");
        Assert.That(Requests, Is.Empty);
    }

    [Test]
    public async Task ArrowUp_InAnEmptyMessage_EditsTheLastOne()
    {
        await AskAsync("What are you?");
        await Message.PressAsync("ArrowUp");
        await Expect(Message).ToHaveValueAsync("What are you?");
        await Expect(Page.GetByText("Editing a message")).ToBeVisibleAsync();
    }

    [Test]
    public async Task Tab_ThroughThePage_ReachesEverythingInOrderWithVisibleFocus()
    {
        await AskAsync("What are you?");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Chats" }).FocusAsync();
        List<string> names = [];
        while (await FocusedAsync() is var (name, isVisible) && name != "Send")
        {
            Assert.That(isVisible, $"focus of {name} is visible");
            names.Add(name);
            Assert.That(names, Has.Count.LessThan(20));
            await Page.Keyboard.PressAsync("Tab");
        }
        Assert.That(names, Is.EqualTo(new[] { "Chats", "Model", "New chat", "Switch between light and dark", "Settings", "Edit", "Copy", "Tokens", "Retry", "Message", "Add files", "JSON" }));
    }

    [Test]
    public async Task Settings_ByKeyboard_OpenAndCloseAndGiveTheFocusBack()
    {
        ILocator open = Page.GetByRole(AriaRole.Button, new() { Name = "Settings", Exact = true });
        await open.FocusAsync();
        await Page.Keyboard.PressAsync("Enter");
        await Expect(open).ToHaveAttributeAsync("aria-expanded", "true");
        await Page.Keyboard.PressAsync("Escape");
        await Expect(Page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
        await Expect(open).ToBeFocusedAsync();
        await Expect(open).ToHaveAttributeAsync("aria-expanded", "false");
    }

    [Test]
    public async Task Answer_WhenDone_IsAnnouncedOnce()
    {
        await AskAsync("What are you?");
        ILocator announcer = Page.Locator("#announcer");
        await Expect(announcer).ToHaveTextAsync(await CopyAnswerAsync());
        Assert.That(await announcer.GetAttributeAsync("aria-live"), Is.EqualTo("polite"));
    }

    [Test]
    public async Task Controls_AllHaveNames()
    {
        await Page.GetByLabel("Files", new() { Exact = true }).SetInputFilesAsync(PageServer.SampleImage);
        await AskAsync("What does the text say?");
        await OpenSettingsAsync();
        string[] nameless = await Page.Locator("button, input, select, textarea, canvas").EvaluateAllAsync<string[]>(
            "all => all.filter((e) => e.ariaHidden !== 'true' && !e.ariaLabel && !e.labels?.length && !e.textContent.trim()).map((e) => e.outerHTML)");
        Assert.That(nameless, Is.Empty);
    }

    // The name of the control with the focus, and whether it has an outline.
    private async Task<(string Name, bool IsVisible)> FocusedAsync()
    {
        string[] focused = await Page.EvaluateAsync<string[]>("""
            () => {
                const element = document.activeElement;
                const outlined = element.closest(".chip, .composer-box:has(#message:focus-visible)") ?? element;
                return [element.ariaLabel ?? (element.labels?.[0] ?? element).textContent.trim(), getComputedStyle(outlined).outlineStyle];
            }
            """);
        return (focused[0], focused[1] != "none");
    }
}
