using System.Text.Json.Nodes;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

/// <summary>Chats that stay in the browser: the list, versions of a turn, files, reloads, two tabs, and storage that does not work.</summary>
internal sealed class KeptChatTests : PageFixture
{
    private ILocator Chats => Page.GetByRole(AriaRole.List, new() { Name = "Chats" }).GetByRole(AriaRole.Listitem);

    [Test]
    public async Task Reload_AfterAnAnswer_TheChatIsShownAgainWithEverything()
    {
        await AnswerWithAsync(FakeToken.Thought("Hm."), new FakeToken("It is ", 0.9, ("Is", 0.1)), new FakeToken("**4**", 0.8));
        await AttachAsync(PageServer.SampleImage);
        await AskAsync("What is 2 + 2?");
        string before = await Answer.InnerTextAsync();
        await Page.ReloadAsync();

        await Expect(AnswerText).ToHaveTextAsync("It is 4");
        Assert.That(await Answer.InnerTextAsync(), Is.EqualTo(before), "with its statistics");
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Enlarge sample.png" })).ToBeVisibleAsync();
        await Page.GetByRole(AriaRole.Button, new() { Name = "Tokens" }).ClickAsync();
        await Expect(Answer.GetByRole(AriaRole.Option)).ToHaveCountAsync(2);
        await AskAsync("And 3 + 3?");
        Assert.That(Requests[^1]["messages"]!.AsArray(), Has.Count.EqualTo(3));
    }

    [Test]
    public async Task Reload_InTheMiddleOfAStream_LosesNothingThatWasShown()
    {
        await HoldToLongAnswersAsync();
        await SlowDownAsync();
        await SendAsync("What are you?");
        await Page.WaitForFunctionAsync("() => document.querySelector('.answer pre')?.textContent.length > 60", null, new() { PollingInterval = 10 });
        string shown = await Page.EvaluateAsync<string>("() => { const text = document.querySelector('.answer pre').textContent; location.reload(); return text; }");
        await Page.WaitForFunctionAsync("() => document.querySelector('.answer')?.getAttribute('aria-busy') === 'false'");

        string kept = await Answer.Locator("pre").InnerTextAsync();
        Assert.That(kept, Does.StartWith(shown));
        await Expect(Answer.Locator(".statistics")).ToContainTextAsync("interrupted");
        await Page.ReloadAsync();
        await Expect(Answer.Locator("pre")).ToHaveTextAsync(kept);
    }

    [Test]
    public async Task Reload_BeforeSending_TheMessageIsStillThere()
    {
        await AttachAsync(PageServer.SampleImage);
        await ChooseFileAsync("notes.txt", "some notes");
        await Message.FillAsync("half a quest");
        await Page.ReloadAsync();
        await Expect(Message).ToHaveValueAsync("half a quest");
        await Expect(Pictures).ToHaveCountAsync(2);
        await AskAsync("What does the text say?");
        Assert.That(Requests[0]["messages"]![0]!["content"]!.AsArray(), Has.Count.EqualTo(2));
        await Page.ReloadAsync();
        await Expect(Message).ToHaveValueAsync("");
    }

    [Test]
    public async Task List_ChatsOpenRenameSearchDelete()
    {
        await AnswerWithAsync(new FakeToken("An answer about walruses"));
        await AskAsync("First question");
        await NewChatAsync();
        await AskAsync("Second question");
        await OpenChatsAsync();
        await Expect(Chats.Locator(".chat-title span")).ToHaveTextAsync(["Second question", "First question"]);

        await Page.GetByRole(AriaRole.Button, new() { Name = "First question" }).First.ClickAsync();
        await Expect(Page.Locator(".bubble")).ToHaveTextAsync("First question");
        await MoreAsync("First question", "Rename");
        await Page.GetByRole(AriaRole.Textbox, new() { Name = "Name" }).FillAsync("Of seals");
        await Page.Keyboard.PressAsync("Enter");
        await Expect(Chats.Locator(".chat-title span")).ToHaveTextAsync(["Second question", "Of seals"]);

        ILocator search = Page.GetByRole(AriaRole.Searchbox, new() { Name = "Search chats" });
        await search.FillAsync("SEALS walrus");
        await Expect(Chats.Locator(".chat-title span")).ToHaveTextAsync(["Of seals"]);
        await search.FillAsync("nothing like it");
        await Expect(Page.GetByText("Nothing found.")).ToBeVisibleAsync();
        await search.FillAsync("");

        await Chats.Last.GetByRole(AriaRole.Button, new() { Name = "Delete" }).ClickAsync();
        await Page.GetByRole(AriaRole.Dialog, new() { Name = "Delete this chat?" }).GetByRole(AriaRole.Button, new() { Name = "Cancel" }).ClickAsync();
        await Expect(Chats).ToHaveCountAsync(2);
        await Chats.Last.GetByRole(AriaRole.Button, new() { Name = "Delete" }).ClickAsync();
        await Page.GetByRole(AriaRole.Dialog, new() { Name = "Delete this chat?" }).GetByRole(AriaRole.Button, new() { Name = "Delete" }).ClickAsync();
        await Expect(Chats).ToHaveCountAsync(1);
        await Expect(Page.Locator("article")).ToHaveCountAsync(0);
        await Page.ReloadAsync();
        await OpenChatsAsync();
        await Expect(Chats.Locator(".chat-title span")).ToHaveTextAsync(["Second question"]);
        foreach (string kind in new[] { "turns", "tokens" })
            Assert.That(await CountAsync(kind), Is.EqualTo(1), kind);
    }

    [Test]
    public async Task Edit_AnyTurn_MakesAVersionAndBothStay()
    {
        await AnswerWithAsync(new FakeToken("first"));
        await AskAsync("A");
        await AskAsync("B");
        await AskAsync("C");
        await Page.UnrouteAllAsync();
        await AnswerWithAsync(new FakeToken("second"));
        await Page.GetByRole(AriaRole.Button, new() { Name = "Edit" }).Nth(1).ClickAsync();
        await Expect(Message).ToHaveValueAsync("B");
        await AskAsync("B2");
        await Expect(Page.Locator(".bubble")).ToHaveTextAsync(["A", "B2"]);
        Assert.That(Requests[^1]["messages"]!.AsArray().Select(message => (string?)message!["content"]), Is.EqualTo(new[] { "A", "first", "B2" }));
        await Expect(Page.GetByRole(AriaRole.Group, new() { Name = "Versions" })).ToContainTextAsync("2 of 2");

        await Page.GetByRole(AriaRole.Button, new() { Name = "Previous version" }).ClickAsync();
        await Expect(Page.Locator(".bubble")).ToHaveTextAsync(["A", "B", "C"]);
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Next version" })).ToBeFocusedAsync();
        await Page.ReloadAsync();
        await Expect(Page.Locator(".bubble")).ToHaveTextAsync(["A", "B", "C"]);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Next version" }).ClickAsync();
        await Expect(Page.Locator(".bubble")).ToHaveTextAsync(["A", "B2"]);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Edit" }).First.ClickAsync();
        await AskAsync("A2");
        await Expect(Page.Locator(".bubble")).ToHaveTextAsync(["A2"]);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Previous version" }).First.ClickAsync();
        await Expect(Page.Locator(".bubble")).ToHaveTextAsync(["A", "B2"]);
    }

    [TestCase("JSON", "json")]
    [TestCase("Markdown", "md")]
    public async Task Export_AndImport_GiveTheSameChat(string format, string ending)
    {
        const string Hard = "# Title\n\n<!-- onnxvlm: answer -->\n\\<!-- onnxvlm: question -->\n```\ncode\n```\n| a | b |\n|---|---|\n| 1 | $x$ |";
        await AnswerWithAsync(new FakeToken(Hard, 0.5, ("y", 0.5)));
        await AttachAsync(PageServer.SampleImage);
        await ChooseFileAsync("a ]( --> b.txt", "line 1\n````\nline 2\n");
        await AskAsync("What?\n<!-- onnxvlm: question -->");
        await AskAsync("Again");
        await OpenChatsAsync();
        IDownload download = await Page.RunAndWaitForDownloadAsync(() => MoreAsync("What?", $"Export as {format}"));
        Assert.That(download.SuggestedFilename, Does.EndWith("." + ending));
        string exported = await File.ReadAllTextAsync(await download.PathAsync());

        await OpenAsync();
        await AnswerWithAsync(new FakeToken("more"));
        await Page.GetByLabel("Chats to import").SetInputFilesAsync(new FilePayload { Name = "chat." + ending, MimeType = "text/plain", Buffer = System.Text.Encoding.UTF8.GetBytes(exported) });
        await Expect(Page.Locator(".bubble")).ToHaveTextAsync(["What?\n<!-- onnxvlm: question -->", "Again"]);
        Assert.That(await CopyAnswerAsync(), Is.EqualTo(Hard));
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Enlarge sample.png" })).ToBeVisibleAsync();
        await Expect(Page.Locator("details.file summary")).ToHaveTextAsync("a ]( --> b.txt");
        JsonArray before = Requests[^1]["messages"]!.AsArray();
        await AskAsync("More");
        Assert.That(JsonNode.DeepEquals(Requests[^1]["messages"]![0], before[0]), "the model reads the same as before");
    }

    [TestCase("{", "is not valid JSON")]
    [TestCase("{}", "holds no chats of this page")]
    [TestCase("""{"format":"onnxvlm-chats","version":2,"chats":[]}""", "holds no chats of this page")]
    [TestCase("""{"format":"onnxvlm-chats","version":1,"chats":[null]}""", "has no list")]
    [TestCase("""{"format":"onnxvlm-chats","version":1,"chats":[{"turns":[{"id":"a","parent":"b"},{"id":"b","parent":"a"}]}]}""", "stands before the one that it follows")]
    [TestCase("# Just a text", "holds no chat")]
    public async Task Import_OfWhatIsNone_NoteSaysSo(string content, string expected)
    {
        await Page.GetByLabel("Chats to import").SetInputFilesAsync(new FilePayload { Name = "x.json", MimeType = "application/json", Buffer = System.Text.Encoding.UTF8.GetBytes(content) });
        await Expect(Note).ToContainTextAsync(expected);
        await AskAsync("What are you?");
    }

    [Test]
    public async Task Import_OfStrangeValues_TakesOnlyWhatIsExpected()
    {
        const string Strange = """
            {"format":"onnxvlm-chats","version":1,"pictures":{"p":{"type":"image/png","base64":"!!"},"q":null},"chats":[{"title":{"x":1},"chosen":{"__proto__":"a","":"zz"},"turns":[
              {"id":"__proto__","parent":null,"question":{"text":["no"],"files":[null,{"name":5}],"pictures":[{"id":"p"},{"id":"q"},7]},
               "answer":{"text":"<img src=x onerror='window.attacked=1'>","tokens":[{"token":5},null,{"token":"a","logprob":"x"}],"usage":"many","error":{"a":1},"firstTokenMs":"soon","model":3}}]}]}
            """;
        await Page.GetByLabel("Chats to import").SetInputFilesAsync(new FilePayload { Name = "x.json", MimeType = "application/json", Buffer = System.Text.Encoding.UTF8.GetBytes(Strange) });
        await Expect(AnswerText).ToHaveTextAsync("<img src=x onerror='window.attacked=1'>");
        Assert.That(await Page.EvaluateAsync<bool>("window.attacked === undefined && ({}).a === undefined"));
        await AnswerWithAsync(new FakeToken("fine"));
        await AskAsync("Go on");
        await Expect(AnswerText.Last).ToHaveTextAsync("fine");
    }

    [TestCase("indexedDB.open = () => { throw new DOMException('denied', 'SecurityError'); }", "This browser keeps no chats (denied)")]
    [TestCase("const put = IDBObjectStore.prototype.put; IDBObjectStore.prototype.put = function () { throw new DOMException('full', 'QuotaExceededError'); }", "The browser's storage is full")]
    public async Task Storage_BlockedOrFull_OneLineSaysSoAndThePageGoesOn(string breaking, string expected)
    {
        await Page.AddInitScriptAsync(breaking);
        await Page.ReloadAsync();
        await AnswerWithAsync(new FakeToken("An answer"));
        await AttachAsync(PageServer.SampleImage);
        await Expect(Page.Locator("#storage-note")).ToContainTextAsync(expected);
        await AskAsync("First");
        await NewChatAsync();
        await AskAsync("Second");
        await OpenChatsAsync();
        await Page.GetByRole(AriaRole.Button, new() { Name = "First" }).First.ClickAsync();
        await Expect(Page.Locator(".bubble")).ToHaveTextAsync("First");
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Enlarge sample.png" })).ToBeVisibleAsync();
    }

    [Test]
    public async Task TwoTabs_OneChat_BothSeeWhatEitherAdds()
    {
        await AnswerWithAsync(new FakeToken("An answer"));
        await AskAsync("First");
        IPage other = await Page.Context.NewPageAsync();
        await other.GotoAsync(Server.Address);
        await other.RouteAsync("**/v1/chat/completions", route => route.FulfillAsync(new() { ContentType = "text/event-stream", Body = FakeStream.Of(new FakeToken("Another")) }));
        await Expect(other.Locator("article")).ToHaveCountAsync(0);
        await other.GetByRole(AriaRole.Button, new() { Name = "Chats" }).ClickAsync();
        await other.GetByRole(AriaRole.Button, new() { Name = "First" }).First.ClickAsync();
        await Expect(other.Locator(".answer-body")).ToHaveTextAsync("An answer");
        await other.GetByRole(AriaRole.Textbox, new() { Name = "Message" }).FillAsync("Second");
        await other.Keyboard.PressAsync("Enter");
        await Expect(Page.Locator(".answer-body")).ToHaveTextAsync(["An answer", "Another"]);
        await AskAsync("Third");
        await Expect(other.Locator(".bubble")).ToHaveTextAsync(["First", "Second", "Third"]);

        await other.GetByRole(AriaRole.Button, new() { Name = "More about First" }).ClickAsync();
        await other.GetByRole(AriaRole.Button, new() { Name = "Delete" }).ClickAsync();
        await other.GetByRole(AriaRole.Dialog, new() { Name = "Delete this chat?" }).GetByRole(AriaRole.Button, new() { Name = "Delete" }).ClickAsync();
        await Expect(Note).ToHaveTextAsync("This chat was deleted in another tab.");
        await Expect(Page.Locator("article")).ToHaveCountAsync(0);
    }

    [Test]
    public async Task TwoTabs_OneAnswers_TheOtherDoesNotCallItInterrupted()
    {
        await HoldToLongAnswersAsync();
        await SlowDownAsync();
        await SendAsync("What are you?");
        await Page.WaitForFunctionAsync("() => document.querySelector('.answer pre')?.textContent.length > 20");
        IPage other = await Page.Context.NewPageAsync();
        await other.GotoAsync(Server.Address);
        await other.GetByRole(AriaRole.Button, new() { Name = "Chats" }).ClickAsync();
        await other.GetByRole(AriaRole.Button, new() { Name = "What are you?" }).First.ClickAsync();
        await Expect(other.Locator(".answer")).ToHaveAttributeAsync("aria-busy", "true");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Stop" }).ClickAsync();
        await Expect(other.Locator(".answer")).ToHaveAttributeAsync("aria-busy", "false");
        await Expect(other.Locator(".statistics")).ToContainTextAsync("stopped");
        await Expect(other.Locator(".statistics")).Not.ToContainTextAsync("interrupted");
        await Expect(other.Locator(".answer pre")).ToHaveTextAsync(await Answer.Locator("pre").InnerTextAsync());
    }

    private async Task AttachAsync(string file)
    {
        int count = await Pictures.CountAsync();
        await Page.GetByLabel("Files", new() { Exact = true }).SetInputFilesAsync(file);
        await Expect(Pictures).ToHaveCountAsync(count + 1);
    }

    private async Task ChooseFileAsync(string name, string text)
    {
        int count = await Pictures.CountAsync();
        await Page.GetByLabel("Files", new() { Exact = true }).SetInputFilesAsync(new FilePayload { Name = name, MimeType = "text/plain", Buffer = System.Text.Encoding.UTF8.GetBytes(text) });
        await Expect(Pictures).ToHaveCountAsync(count + 1);
    }

    private Task NewChatAsync() => Page.GetByRole(AriaRole.Button, new() { Name = "New chat" }).ClickAsync();

    private Task OpenChatsAsync() => Page.GetByRole(AriaRole.Button, new() { Name = "Chats" }).ClickAsync();

    private async Task MoreAsync(string title, string action)
    {
        await Page.GetByRole(AriaRole.Button, new() { Name = $"More about {title}" }).ClickAsync();
        await Page.GetByRole(AriaRole.Button, new() { Name = action, Exact = true }).ClickAsync();
    }

    private async Task<int> CountAsync(string kind) => await Page.EvaluateAsync<int>("""
        (kind) => new Promise((resolve) => {
            indexedDB.open("onnxvlm").onsuccess = ({ target: { result } }) => { result.transaction(kind).objectStore(kind).count().onsuccess = (event) => resolve(event.target.result); };
        })
        """, kind);
}
