using System.Text.Json.Nodes;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace OnnxVlm.Page.Tests;

internal sealed class SettingsTests : PageFixture
{
    [Test]
    public async Task Send_NothingSet_OnlyAsksForTokens()
    {
        await AskAsync("What are you?");
        Assert.That(Requests[0].Select(field => field.Key), Is.EquivalentTo(new[] { "model", "messages", "stream", "stream_options", "return_progress", "logprobs", "top_logprobs" }));
        Assert.That((int?)Requests[0]["top_logprobs"], Is.EqualTo(5));
    }

    [Test]
    public async Task Send_AllSet_AllAreInTheRequestAndTheServerTakesThem()
    {
        await OpenSettingsAsync();
        (string Label, string Value)[] settings =
        [
            ("System prompt", "Be brief."), ("Temperature", "0.7"), ("Top p", "0.9"), ("Top k", "40"), ("Min p", "0.05"), ("Seed", "7"), ("Most tokens", "12"),
            ("Stop texts", "\\n\nEND"), ("Alternatives for each token", "3"),
        ];
        foreach ((string label, string value) in settings)
            await Setting(label).FillAsync(value);
        await AskAsync("What are you?");

        JsonObject request = Requests[0];
        Assert.That(request["messages"]![0]!.ToJsonString(), Is.EqualTo("""{"role":"system","content":"Be brief."}"""));
        (string Field, string Json)[] expected =
        [
            ("model", "\"nano\""), ("temperature", "0.7"), ("top_p", "0.9"), ("top_k", "40"), ("min_p", "0.05"), ("seed", "7"), ("max_completion_tokens", "12"),
            ("stop", "[\"\\n\",\"END\"]"), ("logprobs", "true"), ("top_logprobs", "3"),
        ];
        foreach ((string field, string json) in expected)
            Assert.That(request[field]?.ToJsonString(), Is.EqualTo(json), field);
        await Expect(Answer.Locator(".error")).ToBeHiddenAsync();
        Assert.That(await CopyAnswerAsync(), Is.Not.Empty);
    }

    [Test]
    public async Task Reload_SettingsAndKey_KeptWhereTheyBelong()
    {
        await OpenSettingsAsync();
        await Setting("Top k").FillAsync("40");
        await Setting("API key").FillAsync("secret-key");
        await Page.ReloadAsync();
        await OpenSettingsAsync();
        await Expect(Setting("Top k")).ToHaveValueAsync("40");
        await Expect(Setting("API key")).ToHaveValueAsync("secret-key");
        Assert.That(await Page.EvaluateAsync<string>("JSON.stringify(localStorage)"), Does.Contain("40").And.Not.Contain("secret-key"));
    }

    [Test]
    public async Task Reset_ChangedSettings_AreForgotten()
    {
        await OpenSettingsAsync();
        await Setting("Top k").FillAsync("40");
        await Setting("API key").FillAsync("secret-key");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Reset to defaults" }).ClickAsync();
        await AskAsync("What are you?");
        Assert.That(Requests[0].ContainsKey("top_k"), Is.False);
        Assert.That(await Page.EvaluateAsync<string>("JSON.stringify(sessionStorage)"), Does.Not.Contain("secret-key"));
    }

    [TestCase("Temperature", "7", "Temperature must be a number from 0 to 2.")]
    [TestCase("Top k", "1.5", "Top k must be a whole number of at least 0.")]
    [TestCase("Stop texts", "a\nb\nc\nd\ne", "At most 4 stop texts are accepted, and these are 5.")]
    public async Task Send_SettingOutOfRange_IsNotSentAndSaysWhy(string label, string value, string expected)
    {
        await OpenSettingsAsync();
        await Setting(label).FillAsync(value);
        await SendAsync("What are you?");
        await Expect(Note).ToHaveTextAsync(expected);
        await Expect(Setting(label)).ToBeFocusedAsync();
        await Expect(Setting(label)).ToHaveAttributeAsync("aria-invalid", "true");
        await Expect(Message).ToHaveValueAsync("What are you?");
        Assert.That(Requests, Is.Empty);
    }

    [Test]
    public async Task JsonSchema_Valid_AnswerIsJsonAndIndented()
    {
        await Page.GetByText("JSON", new() { Exact = true }).ClickAsync();
        await Setting("JSON schema").FillAsync("""{"type": "object", "properties": {"text": {"type": "string", "maxLength": 8}, "n": {"type": "integer", "maximum": 9, "minimum": 0}}, "required": ["text", "n"], "additionalProperties": false}""");
        await AskAsync("What does the text say?");

        JsonNode format = Requests[0]["response_format"]!;
        Assert.That((string?)format["type"], Is.EqualTo("json_schema"));
        Assert.That(format["json_schema"]!["schema"]!["required"]!.ToJsonString(), Is.EqualTo("""["text","n"]"""));
        string shown = await AnswerText.Locator("pre").InnerTextAsync();
        Assert.That(shown, Does.StartWith("{\n  \"text\": "));
        JsonObject answer = JsonNode.Parse(shown)!.AsObject();
        Assert.That(answer.Select(field => field.Key), Is.EqualTo(new[] { "text", "n" }));
        Assert.That(JsonNode.DeepEquals(answer, JsonNode.Parse(await CopyAnswerAsync())), "the same value as was sent");
    }

    [TestCase("{ \"type\": ", "The schema is not valid JSON: ")]
    [TestCase("[1]", "The schema must be a JSON object")]
    public async Task JsonSchema_NotValid_IsNotSentAndSaysWhy(string schema, string expected)
    {
        await Page.GetByText("JSON", new() { Exact = true }).ClickAsync();
        await Setting("JSON schema").FillAsync(schema);
        await Expect(Page.Locator(".problem")).ToContainTextAsync(expected);
        await SendAsync("What are you?");
        await Expect(Note).ToContainTextAsync(expected);
        Assert.That(Requests, Is.Empty);
    }

    [Test]
    public async Task ApiKey_NeededAndEntered_PageWorks()
    {
        await using PageServer locked = await PageServer.StartAsync("secret-key");
        Server = locked;
        await OpenAsync();
        await Expect(Note).ToContainTextAsync("Enter the API key in the settings.");
        await Expect(Setting("API key")).ToBeFocusedAsync();
        await Page.Keyboard.TypeAsync("secret-key");
        await Page.Keyboard.PressAsync("Tab");
        await Expect(Page.GetByRole(AriaRole.Combobox, new() { Name = "Model" })).ToHaveValueAsync("nano");
        await Expect(Note).ToBeHiddenAsync();
        await AskAsync("What are you?");
        Assert.That(await CopyAnswerAsync(), Is.Not.Empty);
    }
}
