using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

/// <summary>Files that are no pictures, pictures by their hash, the sample, and what the page tells of the prompt.</summary>
internal sealed class AttachmentTests : PageFixture
{
    private ILocator Chooser => Page.GetByLabel("Files", new() { Exact = true });

    [Test]
    public async Task TextFile_Attached_IsPartOfTheQuestion()
    {
        await AnswerWithAsync(new FakeToken("fine"));
        await ChooseAsync("notes.md", "\uFEFFa\r\n```\nb\n```"u8.ToArray());
        await ChooseAsync("wide.txt", [0xff, 0xfe, .. Encoding.Unicode.GetBytes("ü")]);
        await AskAsync("What is in them?");
        Assert.That((string?)Requests[0]["messages"]![0]!["content"], Is.EqualTo("notes.md\n````\na\n```\nb\n```\n````\n\nwide.txt\n```\nü\n```\n\nWhat is in them?"));
        await Page.Locator("details.file summary").First.ClickAsync();
        await Expect(Page.Locator("details.file pre").First).ToContainTextAsync("b");
    }

    [Test]
    public async Task TextFile_TooLarge_NoteSaysItsSize()
    {
        await Chooser.SetInputFilesAsync(new FilePayload { Name = "log.txt", MimeType = "text/plain", Buffer = Encoding.UTF8.GetBytes(new string('é', 1 << 20)) });
        await Expect(Note).ToHaveTextAsync("log.txt has 2.0 MB; at most 1 MB of text is accepted. Make it shorter.");
    }

    [Test]
    public async Task Pdf_OfSeveralPages_ChosenPagesArePictures()
    {
        await AnswerWithAsync(new FakeToken("fine"));
        await Chooser.SetInputFilesAsync(new FilePayload { Name = "report.pdf", MimeType = "application/pdf", Buffer = Pdf("one", "two", "three") });
        ILocator question = Page.GetByRole(AriaRole.Dialog, new() { Name = "report.pdf" });
        ILocator pages = question.GetByLabel("Pages, 1 to 3");
        await Expect(pages).ToHaveValueAsync("1-3");
        await pages.FillAsync("4");
        await Page.Keyboard.PressAsync("Enter");
        await Expect(question.GetByRole(AriaRole.Status)).ToHaveTextAsync("Give pages from 1 to 3, such as 1-3, 5.");
        await pages.FillAsync("1, 3");
        await Page.Keyboard.PressAsync("Enter");
        await Expect(Pictures).ToHaveCountAsync(2);
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Enlarge report.pdf, page 3" })).ToBeVisibleAsync();
        // The letters are there: a page has both white and black.
        Assert.That(await Page.Locator("#pictures canvas").First.EvaluateAsync<bool>("""
            (canvas) => { const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height); return Math.min(...data.filter((_, i) => i % 4 === 0)) < 100 && data[0] > 250; }
            """));
        await AskAsync("What does it say?");
        Assert.That(Requests[0]["messages"]![0]!["content"]!.AsArray().Select(part => (string?)part!["type"]), Is.EqualTo(new[] { "image_url", "image_url", "text" }));
    }

    [Test]
    public async Task Pdf_Cancelled_AttachesNothing()
    {
        await Chooser.SetInputFilesAsync(new FilePayload { Name = "report.pdf", MimeType = "application/pdf", Buffer = Pdf("one", "two") });
        await Page.GetByRole(AriaRole.Button, new() { Name = "Cancel", Exact = true }).ClickAsync();
        await Expect(Page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
        await Expect(Pictures).ToHaveCountAsync(0);
        await Expect(Note).ToBeHiddenAsync();
    }

    [Test]
    public async Task Pdf_Damaged_NoteSaysSo()
    {
        await Chooser.SetInputFilesAsync(new FilePayload { Name = "report.pdf", MimeType = "application/pdf", Buffer = Encoding.ASCII.GetBytes("%PDF-1.7\nnothing more") });
        await Expect(Note).ToContainTextAsync("report.pdf cannot be read as a PDF");
    }

    [Test]
    public async Task Pictures_OfAConversation_AreUploadedOnce()
    {
        List<string> uploads = [];
        Page.Request += (_, request) =>
        {
            if (request is { Method: "POST" } && request.Url.EndsWith("/v1/uploads", StringComparison.Ordinal))
                uploads.Add(request.Url);
        };
        await Chooser.SetInputFilesAsync(Enumerable.Repeat(PageServer.SampleImage, 4));
        await Expect(Pictures).ToHaveCountAsync(4);
        await AskAsync("What do they say?");
        Assert.That(uploads, Has.Count.EqualTo(4));
        await AskAsync("Again?");
        await Page.ReloadAsync();
        await Expect(Page.Locator("article")).ToHaveCountAsync(2);
        await AskAsync("And again?");
        Assert.That(uploads, Has.Count.EqualTo(4), "not sent again");
        Assert.That(Requests[^1].ToJsonString(), Has.Length.LessThan(8_000));
        await Expect(Answer.Locator(".error")).ToBeHiddenAsync();
    }

    [Test]
    public async Task Pictures_ForgottenByTheServer_AreUploadedAgain()
    {
        await Chooser.SetInputFilesAsync(PageServer.SampleImage);
        await Expect(Pictures).ToHaveCountAsync(1);
        await AskAsync("What does it say?");
        await using PageServer other = await PageServer.StartAsync();
        int forgotten = 0;
        await Page.RouteAsync("**/v1/chat/completions", async route =>
        {
            if (forgotten++ == 0)
                await route.FulfillAsync(new() { Status = 404, ContentType = "application/json", Body = """{"error":{"message":"messages[0].content[0]: this image is not here any more; upload it again.","type":"invalid_request_error","param":null,"code":"upload_not_found"}}""" });
            else
                await route.ContinueAsync();
        });
        await AskAsync("And now?");
        Assert.That(forgotten, Is.EqualTo(2));
        await Expect(Answer.Locator(".error")).ToBeHiddenAsync();
        Assert.That(await CopyAnswerAsync(), Is.Not.Empty);
    }

    [Test]
    public async Task Sample_Clicked_IsAskedAbout()
    {
        await Page.GetByRole(AriaRole.Button, new() { Name = "Try it: what does this text say?" }).ClickAsync();
        await AnswerEndsAsync();
        Assert.That(await CopyAnswerAsync(), Is.Not.Empty);
        await Expect(Page.Locator(".bubble")).ToHaveTextAsync("What does the text say?");
        Assert.That(Requests[0]["messages"]![0]!["content"]!.AsArray(), Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Context_AfterAnAnswer_ShowsHowMuchIsUsed()
    {
        await AskAsync("What are you?");
        JsonNode usage = (await Server.CompleteAsync(Requests[0]))["usage"]!;
        ILocator meter = Page.GetByRole(AriaRole.Meter, new() { Name = "Tokens of the context in use" });
        await Expect(meter).ToHaveAttributeAsync("max", "2048");
        await Expect(Page.Locator("#context")).ToContainTextAsync(string.Create(CultureInfo.InvariantCulture, $"{(int)usage["total_tokens"]!} of 2,048 tokens"));
        await Page.GetByRole(AriaRole.Button, new() { Name = "New chat" }).ClickAsync();
        await Expect(Page.Locator("#context")).ToBeHiddenAsync();
    }

    [Test]
    public async Task Prefill_WhileThePromptIsRead_ShowsHowFar()
    {
        // The stream stays open after this chunk: the page waits for the first token.
        await Page.EvaluateAsync("""
            () => {
                const real = window.fetch;
                window.fetch = (url, options) => String(url).endsWith("/v1/chat/completions")
                    ? Promise.resolve(new Response(new ReadableStream({ start(stream) {
                        const chunk = { choices: [{ index: 0, delta: {} }], prompt_progress: { total: 400, cache: 0, processed: 100, time_ms: 5 } };
                        stream.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(chunk)}\n\n`));
                        window.answer = (text) => {
                            stream.enqueue(new TextEncoder().encode(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] })}\n\ndata: [DONE]\n\n`));
                            stream.close();
                        };
                    } })))
                    : real(url, options);
            }
            """);
        await SendAsync("A long question");
        ILocator progress = Answer.GetByRole(AriaRole.Progressbar, new() { Name = "Reading the prompt" });
        await Expect(progress).ToHaveAttributeAsync("value", "0.25");
        await Expect(Answer.Locator(".prefill")).ToHaveTextAsync("Reading the prompt: 100 of 400 tokens");
        await Page.EvaluateAsync("window.answer('done')");
        await AnswerEndsAsync();
        await Expect(Answer.Locator(".prefill")).ToBeHiddenAsync();
        await Expect(AnswerText).ToHaveTextAsync("done");
    }

    private async Task ChooseAsync(string name, byte[] bytes)
    {
        int count = await Pictures.CountAsync();
        await Chooser.SetInputFilesAsync(new FilePayload { Name = name, MimeType = "text/plain", Buffer = bytes });
        await Expect(Pictures).ToHaveCountAsync(count + 1);
    }

    // A page for each text, in a font that is not in the file.
    private static byte[] Pdf(params string[] pages)
    {
        List<string> objects =
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            $"<< /Type /Pages /Count {pages.Length} /Kids [{string.Join(' ', pages.Select((_, i) => $"{4 + (2 * i)} 0 R"))}] >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ];
        foreach (string text in pages)
        {
            string content = $"BT /F1 90 Tf 20 50 Td ({text}) Tj ET";
            objects.Add($"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 150] /Resources << /Font << /F1 3 0 R >> >> /Contents {objects.Count + 2} 0 R >>");
            objects.Add($"<< /Length {content.Length} >>\nstream\n{content}\nendstream");
        }
        StringBuilder file = new("%PDF-1.4\n");
        List<int> offsets = [];
        foreach ((int i, string value) in objects.Index())
        {
            offsets.Add(file.Length);
            file.Append(CultureInfo.InvariantCulture, $"{i + 1} 0 obj\n{value}\nendobj\n");
        }
        int start = file.Length;
        file.Append(CultureInfo.InvariantCulture, $"xref\n0 {objects.Count + 1}\n0000000000 65535 f \n");
        foreach (int offset in offsets)
            file.Append(CultureInfo.InvariantCulture, $"{offset:D10} 00000 n \n");
        return Encoding.ASCII.GetBytes(file.Append(CultureInfo.InvariantCulture, $"trailer << /Size {objects.Count + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").ToString());
    }
}
