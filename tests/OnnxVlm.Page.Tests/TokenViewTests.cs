using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

internal sealed class TokenViewTests : PageFixture
{
    private ILocator Tokens => Page.GetByRole(AriaRole.Listbox, new() { Name = "Tokens of the answer" }).GetByRole(AriaRole.Option);

    private ILocator Details => Page.GetByRole(AriaRole.Tooltip);

    [Test]
    public async Task Tokens_OfTheModel_AreTheApis()
    {
        await OpenSettingsAsync();
        await Setting("Temperature").FillAsync("0");
        await AskAsync("What are you?");
        await ShowTokensAsync();

        JsonArray expected = (await Server.CompleteAsync(Requests[0]))["choices"]![0]!["logprobs"]!["content"]!.AsArray();
        await Expect(Tokens).ToHaveCountAsync(expected.Count);
        await Tokens.First.HoverAsync();
        await Expect(Details.Locator(".token-row")).ToHaveCountAsync(5);
        double probability = Math.Exp((double)expected[0]!["logprob"]!) * 100;
        double shown = double.Parse((await Details.Locator(".chosen .token-percent").InnerTextAsync()).TrimEnd('%', ' '), CultureInfo.InvariantCulture);
        Assert.That(shown, Is.EqualTo(probability).Within(0.1));
    }

    [Test]
    public async Task Hover_Token_ShowsAlternativesByProbability()
    {
        await AnswerWithAsync(new FakeToken("Hel", 0.9), new FakeToken("lo", 0.25, ("p", 0.6), (" there", 0.1)));
        await AskAsync("Anything");
        await ShowTokensAsync();
        await Tokens.Nth(1).HoverAsync();

        await Expect(Details.Locator("code")).ToHaveTextAsync(["p", "lo", "\u00a0there"]);
        await Expect(Details.Locator(".token-percent")).ToHaveTextAsync(["60.0 %", "25.0 %", "10.0 %"]);
        await Expect(Details.Locator(".chosen code")).ToHaveTextAsync("lo");
        Assert.That(await Details.EvaluateAsync<bool>("""
            (details) => { const { left, top } = details.getBoundingClientRect(); return document.elementsFromPoint(left + 5, top + 5).length > 0
                && Math.abs(top - document.querySelectorAll(".token")[1].getBoundingClientRect().bottom - 6) < 2; }
            """), "it is right below its token");
        await Page.Mouse.MoveAsync(1, 1);
        await Expect(Details).ToBeHiddenAsync();
    }

    [Test]
    public async Task Focus_TokenByKeyboard_ShowsAlternativesAndArrowsMove()
    {
        await AnswerWithAsync(new FakeToken("a", 0.9, ("x", 0.1)), new FakeToken("b", 0.8, ("y", 0.2)), new FakeToken("c", 0.7, ("z", 0.3)));
        await AskAsync("Anything");
        await ShowTokensAsync();
        await Message.FocusAsync();
        for (int i = 0; i < 10 && !await Tokens.First.EvaluateAsync<bool>("token => token === document.activeElement"); i++)
            await Page.Keyboard.PressAsync("Shift+Tab");

        await Expect(Tokens.First).ToBeFocusedAsync();
        await Expect(Details.Locator("code")).ToHaveTextAsync(["a", "x"]);
        await Page.Keyboard.PressAsync("ArrowRight");
        await Expect(Tokens.Nth(1)).ToBeFocusedAsync();
        await Expect(Details.Locator("code")).ToHaveTextAsync(["b", "y"]);
        Assert.That(await Tokens.Nth(1).GetAttributeAsync("aria-describedby"), Is.EqualTo(await Details.GetAttributeAsync("id")));
        await Page.Keyboard.PressAsync("End");
        await Expect(Tokens.Nth(2)).ToBeFocusedAsync();
        await Page.Keyboard.PressAsync("Shift+Tab");
        await Expect(Details).ToBeHiddenAsync();
    }

    [Test]
    public async Task Colour_OfTokens_FollowsTheirProbability()
    {
        await AnswerWithAsync(new FakeToken("sure", 1), new FakeToken("so", 0.5), new FakeToken("odd", 0.01), new FakeToken("odder", 0.01));
        await AskAsync("Anything");
        await ShowTokensAsync();
        string[] colours = await Tokens.EvaluateAllAsync<string[]>("tokens => tokens.map((token) => getComputedStyle(token).backgroundColor)");
        Assert.That(colours.Take(3), Is.Unique);
        Assert.That(colours[3], Is.EqualTo(colours[2]));
    }

    [Test]
    public async Task Tokens_NotAskedFor_OfferNoView()
    {
        await OpenSettingsAsync();
        await Setting("Alternatives for each token").FillAsync("0");
        await AskAsync("What are you?");
        Assert.That(Requests[0].ContainsKey("logprobs"), Is.False);
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Tokens" })).ToBeHiddenAsync();
    }

    private async Task ShowTokensAsync()
    {
        await Page.GetByRole(AriaRole.Button, new() { Name = "Tokens" }).ClickAsync();
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Tokens" })).ToHaveAttributeAsync("aria-pressed", "true");
    }
}
