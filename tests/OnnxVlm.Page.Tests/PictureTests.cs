using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

internal sealed class PictureTests : PageFixture
{
    private const string MakeTransfer = """
        async ([base64, name]) => {
            const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type: name.endsWith(".txt") ? "text/plain" : "image/png" }));
            return transfer;
        }
        """;

    private ILocator Chooser => Page.GetByLabel("Files", new() { Exact = true });

    [Test]
    public async Task Choose_Picture_IsSentAsItIsAndAnswered()
    {
        await OpenSettingsAsync();
        await Setting("Temperature").FillAsync("0");
        await Chooser.SetInputFilesAsync(PageServer.SampleImage);
        await Expect(Pictures).ToHaveCountAsync(1);
        await AskAsync("What does the text say?");

        Assert.That(SentPictures(), Is.EqualTo(new[] { SampleUrl() }));
        JsonNode completion = await Server.CompleteAsync(Requests[0]);
        Assert.That(await CopyAnswerAsync(), Is.EqualTo((string?)completion["choices"]![0]!["message"]!["content"]).And.Not.Empty);
        await Expect(Page.GetByRole(AriaRole.Region, new() { Name = "You" }).Locator("canvas")).ToHaveCountAsync(1);
        await Expect(Pictures).ToHaveCountAsync(0); // they went with the message
    }

    [Test]
    public async Task Drop_Picture_IsSent()
    {
        IJSHandle transfer = await TransferAsync(File.ReadAllBytes(PageServer.SampleImage), "sample.png");
        await Page.DispatchEventAsync("body", "dragenter", new { dataTransfer = transfer });
        await Expect(Page.GetByText("Drop files here")).ToBeVisibleAsync();
        await Page.DispatchEventAsync("body", "drop", new { dataTransfer = transfer });
        await Expect(Page.GetByText("Drop files here")).ToBeHiddenAsync();
        await Expect(Pictures).ToHaveCountAsync(1);
        await AskAsync("What does the text say?");
        Assert.That(SentPictures(), Is.EqualTo(new[] { SampleUrl() }));
    }

    [Test]
    public async Task Paste_Picture_IsSent()
    {
        IJSHandle transfer = await TransferAsync(File.ReadAllBytes(PageServer.SampleImage), "image.png");
        await Message.EvaluateAsync("(element, clipboardData) => element.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))", transfer);
        await Expect(Pictures).ToHaveCountAsync(1);
        await AskAsync("What does the text say?");
        Assert.That(SentPictures(), Is.EqualTo(new[] { SampleUrl() }));
    }

    [Test]
    public async Task Choose_SeveralAndRemoveOne_OthersAreSentInOrder()
    {
        string other = Path.Combine(PageServer.Root, "tests", "data", "ocr", "images", "0001.png");
        await Chooser.SetInputFilesAsync([other, PageServer.SampleImage, PageServer.SampleImage]);
        await Expect(Pictures).ToHaveCountAsync(3);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Remove sample.png" }).First.ClickAsync();
        await Expect(Pictures).ToHaveCountAsync(2);
        await AskAsync("What does the text say?");
        Assert.That(SentPictures(), Is.EqualTo(new[] { UrlOf(File.ReadAllBytes(other)), SampleUrl() }));
    }

    [Test]
    public async Task Choose_WebP_IsSentAsItIs()
    {
        byte[] webp = Convert.FromBase64String(await Page.EvaluateAsync<string>("""
            () => {
                const canvas = document.createElement("canvas");
                canvas.width = 40;
                canvas.height = 24;
                canvas.getContext("2d").fillRect(0, 0, 20, 24);
                return canvas.toDataURL("image/webp").split(",")[1];
            }
            """));
        Assert.That(webp.AsSpan(8, 4).ToArray(), Is.EqualTo("WEBP"u8.ToArray()));
        await Chooser.SetInputFilesAsync(new FilePayload { Name = "shape.webp", MimeType = "image/webp", Buffer = webp });
        await Expect(Pictures).ToHaveCountAsync(1);
        await AskAsync("What is it?");
        Assert.That(SentPictures().Single(), Is.EqualTo(UrlOf(webp)));
    }

    [Test]
    public async Task Choose_TooManyPictures_TheLimitAreKeptAndTheNoteSaysWhy()
    {
        await Chooser.SetInputFilesAsync(Enumerable.Repeat(PageServer.SampleImage, 65));
        await Expect(Note).ToHaveTextAsync("A conversation holds at most 64 pictures, and this would be 65. Remove some, or start a new chat.");
        await Expect(Pictures).ToHaveCountAsync(64);
    }

    [Test]
    public async Task Choose_TooLargeFile_NoteSaysItsSize()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("onnxvlm-page-");
        try
        {
            string path = Path.Combine(folder.FullName, "large.png");
            File.Copy(PageServer.SampleImage, path);
            using (FileStream file = File.OpenWrite(path))
                file.SetLength(11 * 1024 * 1024);
            await Chooser.SetInputFilesAsync(path);
            await Expect(Note).ToHaveTextAsync("large.png has 11 MB; at most 10 are accepted. Make it smaller.");
            await Expect(Pictures).ToHaveCountAsync(0);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Test]
    public async Task Drop_OtherFile_NoteSaysWhatIsAccepted()
    {
        IJSHandle transfer = await TransferAsync([0, 1, 2, 0xff], "notes.bin");
        await Page.DispatchEventAsync("body", "drop", new { dataTransfer = transfer });
        await Expect(Note).ToHaveTextAsync("notes.bin is no picture that this browser can read, no PDF, and no text in UTF-8.");
        await Expect(Pictures).ToHaveCountAsync(0);
    }

    [Test]
    public async Task Enlarge_Thumbnail_ShowsThePictureUntilEscape()
    {
        await Chooser.SetInputFilesAsync(PageServer.SampleImage);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Enlarge sample.png" }).ClickAsync();
        ILocator dialog = Page.GetByRole(AriaRole.Dialog, new() { Name = "Picture" });
        await Expect(dialog.GetByRole(AriaRole.Img, new() { Name = "sample.png" })).ToBeVisibleAsync();
        await Page.Keyboard.PressAsync("Escape");
        await Expect(dialog).ToBeHiddenAsync();
    }

    private async Task<IJSHandle> TransferAsync(byte[] file, string name) => await Page.EvaluateHandleAsync(MakeTransfer, new[] { Convert.ToBase64String(file), name });

    private string[] SentPictures() =>
        [.. Requests[^1]["messages"]![0]!["content"]!.AsArray().Where(part => (string?)part!["type"] == "image_url").Select(part => (string)part!["image_url"]!["url"]!)];

    private static string SampleUrl() => UrlOf(File.ReadAllBytes(PageServer.SampleImage));

    // Pictures go ahead, as they are; the question names them by their hash.
    private static string UrlOf(byte[] file) => $"upload:{Convert.ToHexStringLower(SHA256.HashData(file))}";
}
