using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;
using OnnxVlm.Hub;
using OnnxVlm.Hub.Tests.Support;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

/// <summary>A model is downloaded from the page, where the server allows it. The hub is a fake one on loopback.</summary>
internal sealed class DownloadTests : PageFixture
{
    [Test]
    public async Task Download_NotAllowed_IsNotOffered()
    {
        await OpenSettingsAsync();
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Download a model" })).ToBeHiddenAsync();
    }

    [Test]
    public async Task Download_Allowed_ShowsWhatItTakesAndThenServesTheModel()
    {
        string folder = Directory.CreateTempSubdirectory("onnxvlm-page-hub-").FullName;
        FakeRepository repository = new("someone/Tiny-VLM", Path.Combine(PageServer.Root, "tests", "data", "neo"));
        repository.Files.Remove("README.md");
        await using FakeHub hub = await FakeHub.StartAsync(repository);
        TaskCompletionSource letThrough = new();
        await using PageServer server = await PageServer.StartAsync(configure: builder => Allow(builder, hub, folder));
        Server = server;
        await OpenAsync();
        await OpenSettingsAsync();
        await Page.GetByRole(AriaRole.Button, new() { Name = "Download a model" }).ClickAsync();
        await Page.GetByLabel("Name, as on the hub: OWNER/NAME").FillAsync("someone/no");
        await Page.Keyboard.PressAsync("Enter");
        await Expect(Note).ToContainTextAsync("someone/no");

        await Page.GetByRole(AriaRole.Button, new() { Name = "Download a model" }).ClickAsync();
        await Page.GetByLabel("Name, as on the hub: OWNER/NAME").FillAsync("someone/Tiny-VLM");
        await Page.Keyboard.PressAsync("Enter");
        ILocator question = Page.GetByRole(AriaRole.Dialog, new() { Name = "Download someone/Tiny-VLM:int8?" });
        await Expect(question).ToContainTextAsync("on the server's disk");
        await Expect(question).ToContainTextAsync("Licence: apache-2.0.");
        hub.Instead = async (_, request) =>
        {
            if (request.IsStorage)
                await letThrough.Task;
            return false;
        };
        await question.GetByRole(AriaRole.Button, new() { Name = "Download" }).ClickAsync();
        await Expect(Page.GetByRole(AriaRole.Progressbar, new() { Name = "Download of a model" })).ToBeVisibleAsync();
        await Expect(Page.Locator("#download")).ToContainTextAsync("someone/Tiny-VLM:int8");
        letThrough.SetResult();
        await Expect(Page.GetByRole(AriaRole.Combobox, new() { Name = "Model" })).ToHaveValueAsync("someone/Tiny-VLM:int8");
        await Expect(Page.Locator("#download")).ToBeHiddenAsync();
        Directory.Delete(folder, recursive: true);
    }

    private static void Allow(WebApplicationBuilder builder, FakeHub hub, string folder)
    {
        builder.Configuration["OnnxVlmServer:AllowDownloads"] = "true";
        builder.Services.AddSingleton<Func<ModelHub>>(() => new ModelHub(new ModelHubOptions
        {
            Endpoint = hub.Endpoint, ModelsFolder = Path.Combine(folder, "models"), CacheFolder = Path.Combine(folder, "cache"), Token = null,
        }));
    }
}
