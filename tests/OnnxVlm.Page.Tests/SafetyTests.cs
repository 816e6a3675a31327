using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

/// <summary>What a model or a user writes stays text. (That no test asks another server for anything is checked after each.)</summary>
internal sealed class SafetyTests : PageFixture
{
    private const string Attack = "<img src=x onerror=\"window.attacked = true\"><script>window.attacked = true</script><svg onload=\"window.attacked = true\">";

    [TestCase(Attack)]
    [TestCase("```html\n" + Attack + "\n```")]
    [TestCase("| " + Attack + " |\n|---|\n| " + Attack + " |")]
    [TestCase("- **" + Attack + "**\n\n> `" + Attack + "`\n\n# " + Attack)]
    [TestCase("[click](javascript:window.attacked=true) [data](data:text/html,x) <javascript:window.attacked=true>")]
    [TestCase("![picture](https://tracker.example/pixel.png) ![local](/v1/models)")]
    public async Task ModelText_WithMarkup_IsOnlyText(string text)
    {
        await AnswerWithAsync(new FakeToken(text, 0.5, (Attack, 0.3)));
        await AskAsync("Anything");
        await Expect(AnswerText).Not.ToBeEmptyAsync();
        await AssertHarmlessAsync(AnswerText);

        await Page.GetByRole(AriaRole.Button, new() { Name = "Tokens" }).ClickAsync();
        await Answer.GetByRole(AriaRole.Option).First.HoverAsync();
        await Expect(Page.GetByRole(AriaRole.Tooltip)).ToBeVisibleAsync();
        await AssertHarmlessAsync(Answer.Locator(".token-view"));
    }

    [Test]
    public async Task UserText_WithMarkup_IsOnlyText()
    {
        await AnswerWithAsync(new FakeToken("fine"));
        await AskAsync(Attack);
        ILocator question = Page.GetByRole(AriaRole.Region, new() { Name = "You" });
        await Expect(question.Locator(".bubble")).ToHaveTextAsync(Attack);
        await AssertHarmlessAsync(question);
    }

    [Test]
    public async Task ErrorText_WithMarkup_IsOnlyText()
    {
        await FailWithAsync(400, Attack);
        await AskAsync("Anything");
        await Expect(Answer.GetByRole(AriaRole.Alert)).ToContainTextAsync("<script>");
        await AssertHarmlessAsync(Answer.GetByRole(AriaRole.Alert));
    }

    [Test]
    public async Task ContentSecurityPolicy_InlineScriptAndStyleAndForeignPicture_AreRefused()
    {
        string[] refused = await Page.EvaluateAsync<string[]>("""
            async () => {
                const refused = [];
                document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
                const add = (tag, set) => {
                    const element = document.createElement(tag);
                    set(element);
                    document.body.append(element);
                };
                add("script", (script) => script.append("window.attacked = true"));
                add("style", (style) => style.append("body { color: red }"));
                add("img", (image) => image.src = "https://tracker.example/pixel.png");
                try { document.body.insertAdjacentHTML("beforeend", "<b>x</b>"); } catch (error) { refused.push(error.name); }
                await new Promise((resolve) => setTimeout(resolve, 200));
                return refused;
            }
            """);
        Assert.That(refused, Is.SupersetOf(new[] { "require-trusted-types-for", "style-src-elem", "img-src", "TypeError" }));
        Assert.That(await Page.EvaluateAsync<bool>("!window.attacked"));
        ForgetErrors(); // the browser logs each of the refusals
    }

    private async Task AssertHarmlessAsync(ILocator where)
    {
        Assert.That(await where.Locator("img, script, iframe, object, [onerror], [onload], svg:not(.icon), a:not([href^='https:'])").CountAsync(), Is.Zero);
        Assert.That(await Page.EvaluateAsync<bool>("window.attacked === undefined"));
    }
}
