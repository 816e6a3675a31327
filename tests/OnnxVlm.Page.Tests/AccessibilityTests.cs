using System.Text.Json.Nodes;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

/// <summary>axe finds nothing in any state of the page, in dark and in light, on a screen of 320 pixels and on a wide one; and everything can be done by
/// keyboard.</summary>
internal sealed class AccessibilityTests : PageFixture
{
    private const string Everything = """
        # Title

        Text with `code`, **bold**, *emphasis*, ~~gone~~, [a link](https://example.org/) and $x^2$.

        - [ ] to do
        - [x] done

        | left | right |
        |:--|--:|
        | 1 | 2 |

        > quoted

        ```python
        def f(x):  # a comment
            return "text" + 1
        ```

        $$\int_0^1 x\,dx = \frac12$$
        """;

    private static readonly string Axe = File.ReadAllText(Path.Combine(PageServer.Root, "tests", "OnnxVlm.Page.Tests", "vendor", "axe.js"));

    [Test]
    public async Task Axe_InEveryState_FindsNothing([Values] bool isDark, [Values(320, 1200)] int widthPx)
    {
        await Page.EmulateMediaAsync(new() { ColorScheme = isDark ? ColorScheme.Dark : ColorScheme.Light, ReducedMotion = ReducedMotion.Reduce });
        await Page.SetViewportSizeAsync(widthPx, 700);
        await ExpectNothingAsync("start");
        await AnswerWithAsync(FakeToken.Thought("Hm."), new FakeToken(Everything, 0.5, ("x", 0.3)));
        await Page.GetByLabel("Files", new() { Exact = true }).SetInputFilesAsync([Sample(), Notes()]);
        await Expect(Pictures).ToHaveCountAsync(2);
        await ExpectNothingAsync("attached files");
        await AskAsync("Anything");
        await Expect(AnswerText.Locator(".formula math")).ToHaveCountAsync(2);
        await ExpectNothingAsync("answer");
        await Answer.Locator("summary").ClickAsync();
        await Page.Locator("details.file summary").ClickAsync();
        await ExpectNothingAsync("reasoning and file");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Tokens" }).ClickAsync();
        await Answer.GetByRole(AriaRole.Option).First.FocusAsync();
        await ExpectNothingAsync("tokens");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Edit" }).ClickAsync();
        await ExpectNothingAsync("editing");
        await Page.UnrouteAllAsync();
        await FailWithAsync(500, "It failed");
        await AskAsync("Again");
        await ExpectNothingAsync("error and versions");
        await Page.GetByLabel("Chats to import").SetInputFilesAsync(Notes());
        await Expect(Note).ToBeVisibleAsync();
        await ExpectNothingAsync("note");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Enlarge sample.png" }).ClickAsync();
        await ExpectNothingAsync("picture");
        await Page.Keyboard.PressAsync("Escape");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Chats" }).ClickAsync();
        await Page.GetByRole(AriaRole.Button, new() { Name = "More about Anything" }).ClickAsync();
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Rename" })).ToBeVisibleAsync();
        await ExpectNothingAsync("chats");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Rename" }).ClickAsync();
        await Page.GetByRole(AriaRole.Textbox, new() { Name = "Name" }).FillAsync(" ");
        await Page.Keyboard.PressAsync("Enter");
        await ExpectNothingAsync("question");
        await Page.Keyboard.PressAsync("Escape");
        await Page.GetByRole(AriaRole.Searchbox).FillAsync("nothing like it");
        await Expect(Page.GetByText("Nothing found.")).ToBeVisibleAsync();
        await ExpectNothingAsync("empty search");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Close chats" }).ClickAsync();
        await OpenSettingsAsync();
        await Setting("Temperature").FillAsync("7");
        await ExpectNothingAsync("settings");
    }

    [Test]
    public async Task Keyboard_Alone_ManagesChatsAndVersions()
    {
        await AnswerWithAsync(new FakeToken("An answer"));
        await Page.Keyboard.TypeAsync("First");
        await Page.Keyboard.PressAsync("Enter");
        await AnswerEndsAsync();
        await Page.Keyboard.PressAsync("ArrowUp");
        await Page.Keyboard.TypeAsync(" again");
        await Page.Keyboard.PressAsync("Enter");
        await AnswerEndsAsync();
        await TabToAsync("Previous version", "Shift+Tab");
        await Page.Keyboard.PressAsync("Enter");
        await Expect(Page.Locator(".bubble")).ToHaveTextAsync("First");

        await TabToAsync("Chats", "Shift+Tab");
        await Page.Keyboard.PressAsync("Enter");
        await TabToAsync("More about First", "Tab");
        await Page.Keyboard.PressAsync("Space");
        await TabToAsync("Rename", "Tab");
        await Page.Keyboard.PressAsync("Enter");
        await Page.Keyboard.TypeAsync("Second");
        await Page.Keyboard.PressAsync("Enter");
        await Expect(Page.Locator(".chat-title span")).ToHaveTextAsync("Second");
        await TabToAsync("Close chats", "Shift+Tab");
        await Page.Keyboard.PressAsync("Enter");
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Chats" })).ToBeFocusedAsync();
    }

    // Goes from control to control until the one with this name has the focus.
    private async Task TabToAsync(string name, string key)
    {
        for (int i = 0; i < 40; i++)
        {
            if (await Page.EvaluateAsync<string?>("document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()") == name)
                return;
            await Page.Keyboard.PressAsync(key);
        }
        Assert.Fail($"{name} is not reached by {key}");
    }

    private async Task ExpectNothingAsync(string state)
    {
        await Page.EvaluateAsync($"() => {{ if (!window.axe) {{ {Axe} }} }}");
        string violations = await Page.EvaluateAsync<string>("""
            async () => JSON.stringify((await axe.run(document, { resultTypes: ["violations"] })).violations.map(({ id, nodes }) => ({ id, nodes: nodes.map((node) => `${node.html.slice(0, 150)} ${node.failureSummary}`) })))
            """);
        Assert.That(JsonNode.Parse(violations)!.AsArray(), Is.Empty, $"{state}: {violations}");
        Assert.That(await Page.EvaluateAsync<int>("document.documentElement.scrollWidth - document.documentElement.clientWidth"), Is.Zero, $"{state}: nothing scrolls sideways");
    }

    private static FilePayload Sample() => new() { Name = "sample.png", MimeType = "image/png", Buffer = File.ReadAllBytes(PageServer.SampleImage) };

    private static FilePayload Notes() => new() { Name = "notes.txt", MimeType = "text/plain", Buffer = "some notes"u8.ToArray() };
}
