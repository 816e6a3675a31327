using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

/// <summary>A conversation of 100 turns and 50 pictures, with a scripted model. How long its frames take is told and not asserted, since it depends on the
/// machine.</summary>
internal sealed class LongConversationTests : PageFixture
{
    private const int Turns = 100;
    private const int PictureCount = 50;
    private const string Text = "A paragraph with **bold** text, `code` and $x^2$.\n\n- one\n- two\n\n```python\ndef f(x):\n    return x + 1\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n";

    [Test]
    public async Task LongConversation_Answered_IsWholeAndSmallToSend()
    {
        await ImportAsync();
        await Page.EvaluateAsync("""
            (text) => {
                const real = window.fetch;
                window.fetch = (url, options) => String(url).endsWith("/v1/chat/completions") ? Promise.resolve(new Response(new ReadableStream({ async start(stream) {
                    window.sent = options.body;
                    for (let i = 0; i < text.length; i += 4) {
                        stream.enqueue(new TextEncoder().encode(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text.slice(i, i + 4) } }] })}\n\n`));
                        await new Promise((resolve) => setTimeout(resolve, 4));
                    }
                    stream.enqueue(new TextEncoder().encode("data: [DONE]\n\n"));
                    stream.close();
                } }))) : real(url, options);
                window.frames = [];
                let last = performance.now();
                const count = (now) => { window.frames.push(now - last); last = now; requestAnimationFrame(count); };
                requestAnimationFrame(count);
            }
            """, string.Concat(Enumerable.Repeat(Text, 20)));
        await SendAsync("One more");
        await Expect(Page.Locator("article")).ToHaveCountAsync(Turns + 1);
        await Expect(Answer).ToHaveAttributeAsync("aria-busy", "false", new() { Timeout = 60_000 });
        double[] frames = [.. (await Page.EvaluateAsync<double[]>("window.frames")).Order()];
        await Expect(Answer.Locator(".code-block")).ToHaveCountAsync(20);
        double[] scrolled = [.. (await ScrollAsync()).Order()];
        Tell("while it answers", frames);
        Tell("while it scrolls", scrolled);

        string sent = await Page.EvaluateAsync<string>("window.sent");
        JsonArray messages = JsonNode.Parse(sent)!["messages"]!.AsArray();
        Assert.That(messages, Has.Count.EqualTo((2 * Turns) + 1));
        Assert.That(messages.Count(message => message!["content"] is JsonArray), Is.EqualTo(PictureCount));
        Assert.That(sent, Has.Length.LessThan(100_000), "pictures go by their hash");
        await Page.ReloadAsync();
        await Expect(Page.Locator("article")).ToHaveCountAsync(Turns + 1);
    }

    private async Task ImportAsync()
    {
        string image = Convert.ToBase64String(File.ReadAllBytes(PageServer.SampleImage));
        JsonObject pictures = [];
        JsonArray turns = [];
        for (int i = 0; i < Turns; i++)
        {
            bool hasPicture = i % (Turns / PictureCount) == 0;
            if (hasPicture)
                pictures[$"p{i}"] = new JsonObject { ["type"] = "image/png", ["base64"] = image };
            turns.Add(new JsonObject
            {
                ["id"] = $"t{i}",
                ["parent"] = i == 0 ? null : $"t{i - 1}",
                ["created"] = 1_700_000_000_000 + i,
                ["question"] = new JsonObject { ["text"] = $"Question {i}", ["files"] = new JsonArray(), ["pictures"] = hasPicture ? new JsonArray(new JsonObject { ["id"] = $"p{i}", ["name"] = $"{i}.png" }) : [] },
                ["answer"] = new JsonObject { ["text"] = Text },
            });
        }
        JsonObject file = new()
        {
            ["format"] = "onnxvlm-chats",
            ["version"] = 1,
            ["chats"] = new JsonArray(new JsonObject { ["title"] = "Long", ["created"] = 1, ["changed"] = 1, ["chosen"] = new JsonObject(), ["turns"] = turns }),
            ["pictures"] = pictures,
        };
        await Page.GetByLabel("Chats to import").SetInputFilesAsync(new FilePayload { Name = "long.json", MimeType = "application/json", Buffer = Encoding.UTF8.GetBytes(file.ToJsonString()) });
        await Expect(Page.Locator("article")).ToHaveCountAsync(Turns);
    }

    private async Task<double[]> ScrollAsync() => await Page.EvaluateAsync<double[]>("""
        () => new Promise((resolve) => {
            const main = document.querySelector("main");
            const times = [];
            let last = performance.now();
            main.scrollTop = 0;
            const step = (now) => {
                times.push(now - last);
                last = now;
                main.scrollTop += 400;
                if (main.scrollTop + main.clientHeight >= main.scrollHeight - 1 || times.length > 300) resolve(times);
                else requestAnimationFrame(step);
            };
            requestAnimationFrame(step);
        })
        """);

    private static void Tell(string when, double[] frames) =>
        TestContext.Out.WriteLine($"{when}: {frames.Length} frames, median {frames[frames.Length / 2]:F1} ms, 95 % within {frames[frames.Length * 95 / 100]:F1} ms, the longest {frames[^1]:F1} ms");
}
