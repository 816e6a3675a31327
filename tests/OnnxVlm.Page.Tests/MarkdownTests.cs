using System.Text.Json;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

/// <summary>How an answer's Markdown is shown: what is in it, what it costs, and how it grows.</summary>
internal sealed class MarkdownTests : PageFixture
{
    [TestCase("| a | b | c |\n|:--|:-:|--:|\n| 1 | 2 | 3 |", "td.align-left, td.align-center, td.align-right", 3)]
    [TestCase("- [ ] one\n- [x] two\n- [X] three\n- [y] four", ".task", 3)]
    [TestCase("- [ ] one\n- [x] two", ".task.done[role=img][aria-label=Done]", 1)]
    [TestCase("1. one\n\n   ```python\n   x = 1\n   ```", "li .code-block .hljs-number", 1)]
    [TestCase("```nosuchlanguage\nx = 1\n```", ".code-block code:not(:has(*))", 1)]
    [TestCase("see [the page][1].\n\nmore\n\n[1]: https://example.org/", "a[href='https://example.org/'][target=_blank]", 1)]
    [TestCase("~~gone~~ https://example.org/a_b_c, done", "a[href='https://example.org/a_b_c'], s", 2)]
    public async Task Markdown_OfEachKind_IsShown(string text, string selector, int count)
    {
        await AnswerWithAsync(new FakeToken(text));
        await AskAsync("Anything");
        await Expect(AnswerText.Locator(selector)).ToHaveCountAsync(count);
    }

    [TestCase(@"The root of $x^2 = 2$ is $\sqrt{2}$.", 2)]
    [TestCase(@"Inline \(a_1 + b_1\) and display \[\sum_{i=1}^n i = \frac{n(n+1)}{2}\] in a line.", 2)]
    [TestCase("$$\n\\int_0^1 x\\,dx\n= \\frac12\n$$", 1)]
    [TestCase("\\[\nE = mc^2\n\\]\n\nand\n\n\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}", 2)]
    [TestCase("```math\n\\frac{a}{b}\n```", 1)]
    [TestCase("- $a_1$ and $b_2$\n- **$c^*$**", 3)]
    [TestCase("the $n$th and the $k$-th value", 2)]
    [TestCase(@"\[\boxed{\fcolorbox{red}{white}{$x$}} \boldsymbol{y} \underline{z}\]", 1)]
    public async Task Formula_OfEachKind_IsShownByKaTeX(string text, int count)
    {
        await AnswerWithAsync(new FakeToken(text));
        await AskAsync("Anything");
        await Expect(AnswerText.Locator(".formula math")).ToHaveCountAsync(count);
        await Expect(AnswerText.Locator(".formula.failed, em")).ToHaveCountAsync(0);
        Assert.That(await CopyAnswerAsync(), Is.EqualTo(text));
    }

    [TestCase("It costs $5 or $10, and US$7 to $8.")]
    [TestCase("between $5 and 10$ a piece")]
    [TestCase("$5, $6, $7 and 8$")]
    [TestCase("from $5-$10 or ($5)-($6)")]
    [TestCase("set $HOME/$USER and $PATH:$HOME")]
    [TestCase("a lone $ and \\$ ", "a lone $ and $")]
    [TestCase("use `$a` or `$b$` here", "use $a or $b$ here")]
    [TestCase(@"an open \( bracket, an open \[ one", @"an open \( bracket, an open \[ one")]
    [TestCase(@"a formula that is none: $\nosuchcommand{x}$", @"a formula that is none: $\nosuchcommand{x}$")]
    [TestCase(@"unbalanced $\frac{a_1_2$ braces", @"unbalanced $\frac{a_1_2$ braces")]
    public async Task Dollar_ThatIsNoFormula_StaysAsItWasWritten(string text, string? shown = null)
    {
        await AnswerWithAsync(new FakeToken(text));
        await AskAsync("Anything");
        await Page.WaitForLoadStateAsync(LoadState.NetworkIdle); // KaTeX has come, if it was asked for
        await Expect(AnswerText).ToHaveTextAsync((shown ?? text).Trim());
        await Expect(AnswerText.Locator("math")).ToHaveCountAsync(0);
    }

    // Each would take minutes if the time grew with the square of the length.
    [Test]
    public async Task Text_ThatIsHardToRead_IsShownInTheEnd()
    {
        const int Length = 200_000;
        static string Of(string part, int length = Length) => string.Concat(Enumerable.Repeat(part, length / part.Length));
        Dictionary<string, string> texts = new()
        {
            ["heading and blanks"] = $"# {Of(" ", 1_000)}a{Of(" ", 1_000)}\rx\n\n# {Of(" ")}a{Of(" ")}\rx",
            ["blank lines in a list"] = $"- a{Of("\n")}b",
            ["blanks in a table"] = $"|a|\n|-|\n|{Of(" ")}|",
            ["columns"] = $"{Of("|a", 60_000)}|\n{Of("|-", 60_000)}|\n{Of("|b\n", 3_000)}",
            ["quotes"] = Of(">"),
            ["quotes and text"] = Of("> > > a\n", 20_000),
            ["lists"] = Of("- "),
            ["stars"] = Of("*"),
            ["emphasis opened"] = Of("*a "),
            ["emphasis closed"] = Of("a* "),
            ["emphasis mixed"] = Of("*a_b**c__"),
            ["brackets"] = Of("["),
            ["link texts"] = Of("[a]("),
            ["link titles"] = Of("[a](b \""),
            ["pictures"] = Of("!["),
            ["definitions"] = Of("[a]: b\n"),
            ["backticks"] = Of("`"),
            ["backticks of all lengths"] = string.Concat(Enumerable.Range(1, 600).Select(n => new string('`', n) + "a ")),
            ["open fence"] = $"```js\n{Of("x = 1;\n")}",
            ["one line of code"] = $"```java\n{Of("$")}\n```",
            ["fences"] = Of("```\na\n", 20_000),
            ["tildes"] = Of("~~a"),
            ["entities"] = Of("&#"),
            ["tags"] = Of("<a "),
            ["addresses"] = Of("http://"),
            ["one address"] = $"http://{Of("a.")}",
            ["dollars"] = Of("$a "),
            ["double dollars"] = Of("$$\n"),
            ["formulas opened"] = Of("\\(a"),
            ["formula blocks opened"] = Of("\\[\n", 20_000),
            ["braces of a formula"] = $"$${Of("{", 9_000)}$$",
            ["macros of a formula"] = @"$$\def\a{\a\a}\a$$",
            ["one line"] = Of("word "),
            ["carriage returns"] = Of("\r"),
        };
        await Page.EvaluateAsync("""
            (texts) => {
                window.shown = [];
                (async () => {
                    const { MarkdownView } = await import("/markdown/markdown.js");
                    for (const [name, text] of Object.entries(texts)) {
                        const container = document.createElement("div");
                        new MarkdownView(container).update(text);
                        window.shown.push(name);
                        await new Promise((resolve) => setTimeout(resolve));
                    }
                })();
            }
            """, texts);
        await Page.WaitForFunctionAsync("count => window.shown.length === count", texts.Count, new() { Timeout = 60_000, PollingInterval = 100 });
    }

    [Test]
    public async Task Text_ThatGrows_IsReadFromItsLastBlockOn()
    {
        JsonElement result = await Page.EvaluateAsync<JsonElement>("""
            async () => {
                const { MarkdownView } = await import("/markdown/markdown.js");
                const whole = Array.from({ length: 200 }, (_, i) => `Paragraph **${i}**\nof two lines with \`code\`.\n\n- one\n- two\n\n`).join("")
                    + "A [link][later].\n\n[later]: https://example.org/";
                const container = document.createElement("div");
                const view = new MarkdownView(container);
                let added = 0;
                new MutationObserver((changes) => { for (const change of changes) added += change.addedNodes.length; }).observe(container, { childList: true });
                let first = null;
                let updates = 0;
                for (let length = 1; length < whole.length; length += 17) {
                    view.update(whole.slice(0, length), false);
                    updates++;
                    if (length > 200) first ??= container.firstChild;
                }
                const isSame = first === container.firstChild;
                await new Promise((resolve) => setTimeout(resolve));
                const addedWhileGrowing = added;
                view.update(whole, true);
                const once = document.createElement("div");
                new MarkdownView(once).update(whole, true);
                return { isSame, addedPerUpdate: addedWhileGrowing / updates, isEqual: once.innerHTML === container.innerHTML, links: container.querySelectorAll("a").length };
            }
            """);
        Assert.That(result.GetProperty("isSame").GetBoolean(), "a block that is settled stays the same node");
        Assert.That(result.GetProperty("addedPerUpdate").GetDouble(), Is.LessThan(3), "only the last blocks are made again");
        Assert.That(result.GetProperty("isEqual").GetBoolean(), "and the end is what the whole text gives");
        Assert.That(result.GetProperty("links").GetInt32(), Is.EqualTo(1), "also where a link is defined later");
    }

    // Cut at every character, a stream ends as the whole text does.
    [TestCase("- a\n- b\n\n      code\n\n1. c\n   > d\n   e\n\n```js\nlet x = `a`;\n\n# no heading\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n$$\na\n\nb\n$$\n\nTitle\n===\n\nend\r\n\r\nof\rit")]
    [TestCase("> a\nb\n\n> c\n> - d\n\ntext\n| a | b |\n|:-:|--:|\n| `x|y` | $z$ |\n\n***\n\n~~~\n```\n~~~\n\n- [ ] t\n\n  u\n- [x] v")]
    public async Task Text_ThatGrowsByCharacters_EndsAsTheWholeText(string text)
    {
        bool isEqual = await Page.EvaluateAsync<bool>("""
            async (text) => {
                const { MarkdownView } = await import("/markdown/markdown.js");
                const [grown, once] = [document.createElement("div"), document.createElement("div")];
                const view = new MarkdownView(grown);
                for (let length = 1; length <= text.length; length++) view.update(text.slice(0, length), false);
                new MarkdownView(once).update(text, true);
                return grown.innerHTML === once.innerHTML;
            }
            """, text);
        Assert.That(isEqual);
    }
}
