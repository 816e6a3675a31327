using System.Buffers.Binary;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

/// <summary>The pictures of the README. Where the environment variable OnnxVlmScreenshots names a folder, they go there (scripts/screenshots.cs); else they
/// are only checked.</summary>
internal sealed class ScreenshotTests : PageFixture
{
    [Test]
    public async Task Desktop()
    {
        await Page.SetViewportSizeAsync(1120, 640);
        await AskAboutAsync(Path.Combine(PageServer.Root, "tests", "data", "ocr", "images", "0057.png"));
        await ShowTokensAsync();
        await SaveAsync("desktop", 1120, 640);
    }

    [Test]
    public async Task Dark()
    {
        await Page.SetViewportSizeAsync(1120, 640);
        await Page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        await AskAboutAsync(PageServer.SampleImage);
        await OpenSettingsAsync();
        await ShowTokensAsync();
        await SaveAsync("dark", 1120, 640);
    }

    [Test]
    public async Task Phone()
    {
        await Page.SetViewportSizeAsync(360, 720);
        await AskAboutAsync(PageServer.SampleImage);
        await AskAsync("What is the first character?");
        await SaveAsync("phone", 360, 720);
    }

    private async Task AskAboutAsync(string image)
    {
        await Page.GetByLabel("Files", new() { Exact = true }).SetInputFilesAsync(image);
        await Expect(Pictures).ToHaveCountAsync(1);
        await AskAsync("What does the text say?");
    }

    // With the details of the token that the model was least sure of.
    private async Task ShowTokensAsync()
    {
        await Answer.GetByRole(AriaRole.Button, new() { Name = "Tokens" }).ClickAsync();
        double[] probabilities = await Answer.Locator(".token").EvaluateAllAsync<double[]>("tokens => tokens.map((token) => Number(token.style.getPropertyValue('--probability')))");
        await Answer.Locator(".token").Nth(Array.IndexOf(probabilities, probabilities.Min())).HoverAsync();
        await Expect(Page.Locator(".token-details:not([hidden])")).ToHaveCountAsync(1);
    }

    private async Task SaveAsync(string name, int widthPx, int heightPx)
    {
        byte[] png = await Page.ScreenshotAsync(new() { Animations = ScreenshotAnimations.Disabled });
        Assert.That(BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)), Is.EqualTo(widthPx));
        Assert.That(BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(20)), Is.EqualTo(heightPx));
        Assert.That(png, Has.Length.LessThan(150_000), "small enough for the repository");
        if (Environment.GetEnvironmentVariable("OnnxVlmScreenshots") is { Length: > 0 } folder)
            await File.WriteAllBytesAsync(Path.Combine(folder, $"{name}.png"), png);
    }
}
