using Microsoft.Playwright;

namespace OnnxVlm.Page.Tests;

/// <summary>The service and the browser, started once for all tests.</summary>
[SetUpFixture]
internal sealed class Shared
{
    private static IPlaywright? _playwright;
    private static IBrowser? _browser;
    private static PageServer? _server;

    public static IBrowser Browser => _browser!;

    public static PageServer Server => _server!;

    [OneTimeSetUp]
    public async Task Start()
    {
        string path = Environment.GetEnvironmentVariable("OnnxVlmBrowser") ?? "/usr/bin/chromium";
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no browser at {path}. Run dotnet run scripts/test.cs, or set OnnxVlmBrowser to the path of Chromium, Chrome or Edge.");
        _server = await PageServer.StartAsync();
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = path, Args = ["--disable-gpu"] });
        Assertions.SetDefaultExpectTimeout(30_000); // for machines that have much to do
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
        if (_server is not null)
            await _server.DisposeAsync();
    }
}
