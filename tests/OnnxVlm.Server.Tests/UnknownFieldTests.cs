using System.Net;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests;

/// <summary>Fields that the service does not know: refused by their path at every depth, or left out where the options say so.</summary>
internal sealed class UnknownFieldTests
{
    [TestCase("""{"frobnicate": 1, "messages": [{"role": "user", "content": "x"}]}""", "frobnicate")]
    [TestCase("""{"messages": [{"role": "user", "content": "x", "images": ["aGk="]}]}""", "messages[0].images")]
    [TestCase("""{"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "image_url": "y"}]}]}""", "messages[0].content[0].image_url")]
    [TestCase("""{"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,", "size": 5}}]}]}""", "messages[0].content[1].image_url.size")]
    [TestCase("""{"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}", "input": {}}}]}]}""", "messages[0].tool_calls[0].function.input")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "f", "input_schema": {}}}]}""", "tools[0].function.input_schema")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "name": "f", "function": {"name": "f"}}]}""", "tools[0].name")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "function", "function": {"name": "f", "mode": "x"}}}""", "tool_choice.function.mode")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "lenient": true}}}""", "response_format.json_schema.lenient")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "stream": true, "stream_options": {"include_usage": true, "chunk": 5}}""", "stream_options.chunk")]
    public async Task Chat_UnknownFieldAtAnyDepth_IsRefusedByItsPath(string body, string path)
    {
        Reply reply = await SharedService.Service.PostAsync("/v1/chat/completions", WithModel(body));

        Assert.That((reply.Status, reply.ErrorCode, reply.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, "unknown_parameter", path)), reply.Text);
    }

    [TestCase("""{"messages": [{"role": "user", "content": "x", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]}""", "messages[0].tool_calls")]
    [TestCase("""{"messages": [{"role": "user", "content": "x", "reasoning_content": "y"}]}""", "messages[0].reasoning_content")]
    [TestCase("""{"messages": [{"role": "tool", "tool_call_id": "a", "content": "x", "refusal": "y"}]}""", "messages[0].refusal")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "text", "schema": {"type": "object"}}}""", "response_format.schema")]
    [TestCase("""{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_object", "json_schema": {"name": "x", "schema": {"type": "object"}}}}""", "response_format.json_schema")]
    public async Task Chat_FieldOfAnotherKind_IsRefusedByItsPath(string body, string path)
    {
        Reply reply = await SharedService.Service.PostAsync("/v1/chat/completions", WithModel(body));

        Assert.That((reply.Status, reply.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, path)), reply.Text);
    }

    [TestCase("/v1/completions", """{"prompt": "x", "frobnicate": 1}""", "frobnicate")]
    [TestCase("/tokenize", """{"messages": [{"role": "user", "content": "x", "images": [1]}]}""", "messages[0].images")]
    [TestCase("/detokenize", """{"tokens": [1], "skip": true}""", "skip")]
    public async Task OtherAddress_UnknownField_IsRefusedByItsPath(string address, string body, string path)
    {
        Reply reply = await SharedService.Service.PostAsync(address, WithModel(body));

        Assert.That((reply.Status, reply.ErrorCode, reply.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, "unknown_parameter", path)), reply.Text);
    }

    [Test]
    public async Task Chat_UnknownFieldThatIsNull_IsAsGoodAsAbsent()
    {
        Reply reply = await SharedService.Service.PostAsync("/v1/chat/completions", WithModel("""{"max_tokens": 1, "frobnicate": null, "messages": [{"role": "user", "content": "x", "images": null}]}"""));

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK), reply.Text);
    }

    [TestCase("json_object")]
    [TestCase("json_schema")]
    public async Task Chat_SchemaBesideTheType_IsHonoured(string type)
    {
        Reply reply = await SharedService.Service.ChatAsync("x", new { response_format = new { type, schema = new { type = "object", properties = new { a = new { @enum = new[] { "да" } } }, required = new[] { "a" } } } });

        Assert.That(reply.Content, Is.EqualTo("""{"a": "да"}""").Or.EqualTo("""{"a":"да"}"""), reply.Text);
    }

    [Test]
    public async Task Ignore_UnknownFields_AreLeftOutAndNamedOnceInTheLog()
    {
        const string Secret = "geheim nis";
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"], ["y"]), "UnknownFields=Ignore");

        for (int i = 0; i < 2; i++)
        {
            Reply reply = await service.PostAsync("/v1/chat/completions", WithModel($$"""{"frobnicate": 1, "{{Secret}}": 2, "messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "x", "images": ["{{Secret}}"]}]}"""));
            Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK), reply.Text);
        }

        Assert.That(service.Log.Lines.Count(line => line.Contains("Field=frobnicate", StringComparison.Ordinal)), Is.EqualTo(1));
        Assert.That(service.Log.Lines.Count(line => line.Contains("Field=messages[].images", StringComparison.Ordinal)), Is.EqualTo(1));
        Assert.That(service.Log.Lines, Has.None.Contains(Secret));
    }

    private static string WithModel(string body) => "{\"model\": \"nano\", " + body[1..];
}
