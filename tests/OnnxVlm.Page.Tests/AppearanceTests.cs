using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

internal sealed class AppearanceTests : PageFixture
{
    [Test]
    public async Task Colours_OfTheSystem_AreFollowedUntilChosen()
    {
        await Page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Light });
        Assert.That(await BrightnessAsync(), Is.GreaterThan(200));
        await Page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        Assert.That(await BrightnessAsync(), Is.LessThan(60));

        await Page.GetByRole(AriaRole.Button, new() { Name = "Switch between light and dark" }).ClickAsync();
        Assert.That(await BrightnessAsync(), Is.GreaterThan(200));
        await Page.ReloadAsync();
        Assert.That(await BrightnessAsync(), Is.GreaterThan(200), "the choice is kept");
    }

    [Test]
    public async Task Contrast_OfText_IsEnough([Values] bool isDark)
    {
        await Page.EmulateMediaAsync(new() { ColorScheme = isDark ? ColorScheme.Dark : ColorScheme.Light });
        await AnswerWithAsync(new FakeToken("Text with `code`.\n\n```c\nint x = 1; // \"note\"\n```", 0.01, ("x", 0.5)));
        await AskAsync("Anything");
        string[] texts = [".answer-body p", ".answer-body p code", ".hljs-number", ".hljs-comment", ".hljs-type", ".bubble", ".statistics", ".quiet", "#keys", "header button"];
        foreach (string selector in texts)
            Assert.That(await ContrastAsync(selector), Is.GreaterThan(4.5), selector); // WCAG 2.2, level AA

        await Page.GetByRole(AriaRole.Button, new() { Name = "Tokens" }).ClickAsync();
        Assert.That(await ContrastAsync(".token"), Is.GreaterThan(4.5), "a token's least likely colour");
    }

    private async Task<double> BrightnessAsync() =>
        await Page.EvaluateAsync<double>("() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number); return (r + g + b) / 3; }");

    // Contrast of a text with what is behind it; a canvas turns any CSS colour into bytes.
    private async Task<double> ContrastAsync(string selector) => await Page.Locator(selector).First.EvaluateAsync<double>("""
        (element) => {
            const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
            const luminance = (...layers) => {
                context.clearRect(0, 0, 1, 1);
                for (const colour of layers) {
                    context.fillStyle = colour;
                    context.fillRect(0, 0, 1, 1);
                }
                const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((byte) => byte / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const backgrounds = [];
            for (let node = element; node; node = node.parentElement) backgrounds.unshift(getComputedStyle(node).backgroundColor);
            const behind = luminance(...backgrounds);
            const text = luminance(...backgrounds, getComputedStyle(element).color);
            return (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
        }
        """);
}
