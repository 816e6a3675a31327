using System.Text.Json.Nodes;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

/// <summary>
/// A fresh browser profile with the page open for each test. Whatever a test does, the page may ask only its own server for something, must not break its
/// content security
/// policy, and must not throw.
/// </summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal abstract class PageFixture
{
    private readonly List<string> _foreignRequests = [];
    private readonly List<string> _errors = [];
    private IBrowserContext? _context;

    /// <summary>Bodies of the requests for an answer, the oldest first.</summary>
    protected List<JsonObject> Requests { get; } = [];

    protected IPage Page { get; private set; } = null!;

    protected PageServer Server { get; set; } = null!;

    protected ILocator Message => Page.GetByRole(AriaRole.Textbox, new() { Name = "Message" });

    /// <summary>The last answer.</summary>
    protected ILocator Answer => Page.GetByRole(AriaRole.Region, new() { Name = "Answer" }).Last;

    protected ILocator AnswerText => Answer.Locator(".answer-body");

    protected ILocator Pictures => Page.GetByRole(AriaRole.List, new() { Name = "Attached files" }).GetByRole(AriaRole.Listitem);

    protected ILocator Note => Page.Locator("#note");

    protected virtual BrowserNewContextOptions ContextOptions => new();

    [SetUp]
    public async Task OpenPage()
    {
        Server = Shared.Server;
        await OpenAsync();
        await Expect(Page.GetByRole(AriaRole.Combobox, new() { Name = "Model" })).ToHaveValueAsync("nano");
    }

    [TearDown]
    public async Task ClosePage()
    {
        if (_context is not null)
            await _context.CloseAsync();
        Assert.That(_foreignRequests, Is.Empty, "requests to other servers");
        Assert.That(_errors, Is.Empty, "errors of the page");
    }

    /// <summary>Opens the page in a profile of its own, in place of the one that is open.</summary>
    protected async Task OpenAsync()
    {
        if (_context is not null)
            await _context.CloseAsync();
        _context = await Shared.Browser.NewContextAsync(ContextOptions);
        // The clipboard is one for all tests that run at the same time, so each page gets its own.
        await _context.AddInitScriptAsync("Object.defineProperty(navigator, 'clipboard', { value: { async writeText(text) { window.copied = text; } } })");
        Page = await _context.NewPageAsync();
        Page.PageError += (_, error) => _errors.Add(error);
        Page.Console += (_, message) =>
        {
            // A response that is an error is logged by the browser itself, and is not an error of the page.
            if (message.Type == "error" && !message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal))
                _errors.Add(message.Text);
        };
        Page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith(Server.Address + "/", StringComparison.Ordinal))
                _foreignRequests.Add(request.Url);
            if (request.Url.EndsWith("/v1/chat/completions", StringComparison.Ordinal))
                Requests.Add(JsonNode.Parse(request.PostData!)!.AsObject());
        };
        await Page.GotoAsync(Server.Address);
    }

    /// <summary>For a test that provokes them.</summary>
    protected void ForgetErrors()
    {
        _errors.Clear();
        _foreignRequests.Clear();
    }

    /// <summary>Writes a message, sends it with the Enter key and waits for the end of the answer.</summary>
    protected async Task AskAsync(string text)
    {
        await SendAsync(text);
        await AnswerEndsAsync();
    }

    protected async Task SendAsync(string text)
    {
        await Message.FillAsync(text);
        await Message.PressAsync("Enter");
    }

    protected async Task AnswerEndsAsync()
    {
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Send" })).ToBeVisibleAsync(new() { Timeout = 60_000 });
        await Expect(Answer).ToHaveAttributeAsync("aria-busy", "false");
    }

    /// <summary>The last answer as the copy button gives it, which is the text before it became Markdown.</summary>
    protected async Task<string> CopyAnswerAsync()
    {
        await Answer.Locator(".actions").GetByRole(AriaRole.Button, new() { Name = "Copy" }).ClickAsync();
        await Expect(Answer.Locator(".actions")).ToContainTextAsync("Copied");
        return await Page.EvaluateAsync<string>("window.copied");
    }

    protected async Task OpenSettingsAsync() => await Page.GetByRole(AriaRole.Button, new() { Name = "Settings", Exact = true }).ClickAsync();

    protected ILocator Setting(string label) => Page.GetByRole(AriaRole.Dialog, new() { Name = "Settings" }).GetByLabel(label);

    /// <summary>Makes answers as long as the context allows, by asking for a JSON text with more characters than that, whatever tokens the model spells it
    /// with.</summary>
    protected async Task HoldToLongAnswersAsync()
    {
        await OpenSettingsAsync();
        await Setting("JSON schema").FillAsync("""{"type": "string", "minLength": 20000}""");
        await Setting("Hold answers to this schema").CheckAsync();
        await Setting("Most tokens").FillAsync("1900");
    }

    /// <summary>From now on answers arrive at some ten tokens a second, as those of a large model do: the shipped one answers faster than a browser's test
    /// can act.</summary>
    protected async Task SlowDownAsync()
    {
        ICDPSession browser = await Page.Context.NewCDPSessionAsync(Page);
        await browser.SendAsync("Network.enable");
        await browser.SendAsync("Network.emulateNetworkConditions", new() { ["offline"] = false, ["latency"] = 0, ["downloadThroughput"] = 4_000, ["uploadThroughput"] = -1 });
    }

    /// <summary>From now on the server is not asked for answers: this stream is the answer.</summary>
    protected async Task AnswerWithAsync(params FakeToken[] tokens) =>
        await Page.RouteAsync("**/v1/chat/completions", route => route.FulfillAsync(new() { ContentType = "text/event-stream", Body = FakeStream.Of(tokens) }));

    /// <summary>From now on each request for an answer fails with this status.</summary>
    protected async Task FailWithAsync(int status, string message, string? retryAfter = null) =>
        await Page.RouteAsync("**/v1/chat/completions", route => route.FulfillAsync(new()
        {
            Status = status,
            ContentType = "application/json",
            Headers = retryAfter is null ? [] : new Dictionary<string, string> { ["Retry-After"] = retryAfter, ["Content-Type"] = "application/json" },
            Body = new JsonObject { ["error"] = new JsonObject { ["message"] = message, ["type"] = "error", ["param"] = null, ["code"] = null } }.ToJsonString(),
        }));
}
