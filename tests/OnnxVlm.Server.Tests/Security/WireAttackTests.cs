using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Tests.Support;
using OnnxVlm.Server.Wires.Responses;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Server.Tests.Security;

/// <summary>Attacks on every address that answers: sizes, depths, keys, ids of other clients, slow readers, time; each ends in an error of the wire's own form, or in nothing at all.</summary>
internal sealed class WireAttackTests
{
    private static readonly string[] Addresses = ["/v1/responses", "/v1/responses/input_tokens", "/v1/messages", "/v1/messages/count_tokens", "/v1/decisions", "/api/chat", "/api/generate", "/api/show", "/apply-template", "/v1/chat/completions/input_tokens"];

    private static readonly string[] Streams = ["/v1/responses", "/v1/messages", "/api/chat", "/api/generate"];

    [TestCaseSource(nameof(Addresses))]
    public async Task Body_NestedWithoutEndOrOfAnotherForm_Is400(string path)
    {
        string nested = string.Concat(Enumerable.Repeat("[", 100_000));
        foreach (string body in new[] { $$"""{"model": "nano", "input": {{nested}}""", $$"""{"model": "nano", "messages": [{"role": "user", "content": {{string.Concat(Enumerable.Repeat("[", 70))}}{{string.Concat(Enumerable.Repeat("]", 70))}}}]}""", "[]", "5", "null", "", "{", "{\"model\": 5}", "{\"model\": \"nano\", \"model\": \"nano\"}", "\"\ud800\"" })
        {
            Reply reply = await SharedService.Service.PostAsync(path, body);

            Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.BadRequest), $"{body[..Math.Min(60, body.Length)]}: {reply.Text}");
            Assert.That(MessageOf(path, reply), Is.Not.Empty);
        }
    }

    // Objects are many times as large in memory as in the body.
    [TestCaseSource(nameof(Addresses))]
    public async Task Body_OfMillionsOfObjects_Is400BeforeTheyAreMade(string path)
    {
        StringBuilder body = new("{\"model\": \"nano\", \"messages\": [{}");
        for (int i = 0; i < 1_000_000; i++)
            body.Append(",{}");
        long before = GC.GetTotalAllocatedBytes();

        Reply reply = await SharedService.Service.PostAsync(path, body.Append("]}").ToString());

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.BadRequest), reply.Text);
        Assert.That(MessageOf(path, reply), Does.Contain("values"));
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(100_000_000));
    }

    [TestCaseSource(nameof(Addresses))]
    public async Task Body_TooLarge_Is413(string path)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "MaxBodyBytes=2048");
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new StringContent(new string(' ', 4096), Encoding.UTF8, "application/json") };
        request.Headers.ExpectContinue = true;

        using HttpResponseMessage response = await service.Client.SendAsync(request);
        Reply reply = await Reply.ReadAsync(response);

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.RequestEntityTooLarge));
        Assert.That(MessageOf(path, reply), Is.Not.Empty);
    }

    [TestCaseSource(nameof(Addresses))]
    public async Task Body_OfASimpleRequestOfAnotherOrigin_Is415(string path)
    {
        using StringContent content = new("""{"model":"nano"}""", Encoding.UTF8, "text/plain");

        using HttpResponseMessage response = await SharedService.Service.Client.PostAsync(new Uri(path, UriKind.Relative), content);
        Reply reply = await Reply.ReadAsync(response);

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));
        Assert.That(MessageOf(path, reply), Does.Contain("Content-Type"));
    }

    [TestCaseSource(nameof(Streams))]
    public async Task Images_TooMany_AreRefused(string path)
    {
        string image = Convert.ToBase64String(File.ReadAllBytes(Nano.SampleImage));

        Reply reply = await SharedService.Service.PostAsync(path, BodyOf(path, image, 65));

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.BadRequest), reply.Text);
        Assert.That(MessageOf(path, reply), Does.Contain("at most 64 images"));
    }

    // A header of 100,000 × 100,000 pixels in a few bytes.
    [TestCaseSource(nameof(Streams))]
    public async Task Image_Bomb_IsRefusedBeforeItIsDecoded(string path)
    {
        byte[] bomb = File.ReadAllBytes(Nano.SampleImage);
        bomb[16] = 0;
        bomb[17] = 1;
        bomb[20] = 0;
        bomb[21] = 1;

        Reply reply = await SharedService.Service.PostAsync(path, BodyOf(path, Convert.ToBase64String(bomb), 1));

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.BadRequest), reply.Text);
    }

    [TestCaseSource(nameof(Streams))]
    public async Task Queue_Full_Is429InTheFormOfTheWire(string path)
    {
        TaskCompletionSource release = new();
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(new ScriptedChatModel(["x"]) { Before = release.Task }), "MaxRunning=1", "MaxWaiting=0");
        Task<Reply> first = service.PostAsync(path, BodyOf(path, "", 0));
        Assert.That(() => service.Get<Server.Admission.AdmissionQueue>().Running, Is.EqualTo(1).After(5000, 10));

        Reply second = await service.PostAsync(path, BodyOf(path, "", 0));

        Assert.That((second.Status, second.Headers.RetryAfter is not null), Is.EqualTo((HttpStatusCode.TooManyRequests, true)), second.Text);
        Assert.That(MessageOf(path, second), Is.Not.Empty);
        release.SetResult();
        await first;
    }

    [TestCaseSource(nameof(Streams))]
    public async Task Answer_OverItsTime_EndsWithAnErrorInTheFormOfTheWire(string path)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(new ScriptedChatModel([.. Enumerable.Repeat("word ", 1000)]) { Delay = TimeSpan.FromMilliseconds(1400) }), "AnswerTimeout=00:00:02");

        Reply stream = await service.PostAsync(path, BodyOf(path, "", 0, stream: true)), whole = await service.PostAsync(path, BodyOf(path, "", 0));

        Assert.That(whole.Status, Is.EqualTo(HttpStatusCode.GatewayTimeout), whole.Text);
        Assert.That(MessageOf(path, whole), Does.Contain("took longer"));
        Assert.That(stream.Text.TrimEnd().Split('\n')[^1], Does.Contain("took longer"));
        if (path == "/v1/responses")
            Assert.That(JsonElement.Parse(stream.Events[^1]).GetProperty("type").GetString(), Is.EqualTo("response.failed"));
        if (path == "/v1/messages")
            Assert.That(JsonElement.Parse(stream.Events[^1]).GetProperty("error").GetProperty("type").GetString(), Is.EqualTo("timeout_error"));
    }

    [TestCaseSource(nameof(Streams))]
    public async Task Stream_ThatNobodyReads_IsGivenUp(string path)
    {
        ScriptedChatModel model = new([.. Enumerable.Repeat(new string('x', 4000), 20_000)]);
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model), "SendTimeout=00:00:00.500");
        string body = JsonSerializer.Serialize(BodyOf(path, "", 0, stream: true));
        using RawClient client = await RawClient.ConnectAsync(service);
        await client.PostAsync(path, $"Content-Length: {Encoding.UTF8.GetByteCount(body)}");
        await client.SendAsync(body);

        Assert.That(() => model.LiveAnswers, Is.EqualTo(1).After(5000, 10));
        Assert.That(() => model.LiveAnswers, Is.Zero.After(20_000, 50));
        Assert.That(() => service.Get<Server.Admission.AdmissionQueue>().Running, Is.Zero.After(5000, 10));
    }

    [TestCaseSource(nameof(Streams))]
    public async Task Stream_ThatIsSilent_IsKeptOpenInTheFormOfTheWire(string path)
    {
        TaskCompletionSource release = new();
        ScriptedChatModel model = new(["x"]) { Before = release.Task };
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(model), "KeepAlive=00:00:00.020");
        Task<Reply> answer = service.PostAsync(path, BodyOf(path, "", 0, stream: true));
        Assert.That(() => model.LiveAnswers, Is.EqualTo(1).After(20_000, 10));
        await Task.Delay(1000);
        release.SetResult();
        Reply reply = await answer;

        string expected = path switch { "/v1/responses" => ": keep-alive", "/v1/messages" => "{\"type\":\"ping\"}", _ => "\"done\":false" };
        Assert.That(reply.Text, Does.StartWith(path == "/v1/messages" ? "event: ping" : path == "/v1/responses" ? ": keep-alive" : "{\"model\""));
        Assert.That(reply.Text.Split(expected).Length, Is.GreaterThan(2));
    }

    [Test]
    public async Task StoredResponse_OfAnotherKey_IsNotThere()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "ApiKeys:0=sk-a", "ApiKeys:1=sk-b", "ShareCache=true");
        Reply mine = await service.PostAsync("/v1/responses", new { model = "nano", input = "a-secret" }, "sk-a");
        string id = mine.Json.GetProperty("id").GetString()!, item = mine.Json.GetProperty("output")[0].GetProperty("id").GetString()!;

        Reply get = await service.GetAsync($"/v1/responses/{id}", "sk-b");
        Reply next = await service.PostAsync("/v1/responses", new { model = "nano", input = "x", previous_response_id = id }, "sk-b");
        Reply reference = await service.PostAsync("/v1/responses", new { model = "nano", input = new[] { new { type = "item_reference", id = item } } }, "sk-b");
        using HttpRequestMessage delete = new(HttpMethod.Delete, $"/v1/responses/{id}");
        delete.Headers.Authorization = new("Bearer", "sk-b");
        using HttpResponseMessage deleted = await service.Client.SendAsync(delete);

        Assert.That(new[] { get.Status, next.Status, reference.Status, deleted.StatusCode }, Is.All.EqualTo(HttpStatusCode.NotFound));
        Assert.That(get.Text + next.Text + reference.Text, Does.Not.Contain("a-secret"));
        Assert.That((await service.GetAsync($"/v1/responses/{id}", "sk-a")).Status, Is.EqualTo(HttpStatusCode.OK), "it is still there for its own key");
    }

    [TestCase("resp_")]
    [TestCase("../models")]
    [TestCase("..%2fmodels")]
    [TestCase("%00")]
    [TestCase("resp_00000000000000000000000000000000")]
    public async Task StoredResponse_OfAnIdThatIsNone_IsNotThere(string id) =>
        Assert.That((await SharedService.Service.GetAsync($"/v1/responses/{id}")).Status, Is.EqualTo(HttpStatusCode.NotFound).Or.EqualTo(HttpStatusCode.BadRequest).Or.EqualTo(id == "../models" ? HttpStatusCode.OK : HttpStatusCode.NotFound));

    [Test]
    public async Task Store_OfManyResponses_StaysWithinItsNumberTimeAndBytes()
    {
        FakeClock clock = new();
        ServerOptions options = new() { MaxStoredResponses = 10, MaxStoredBytes = 100_000, StoredResponseLifetime = TimeSpan.FromMinutes(5) };
        ResponseStore store = new(options, clock);
        for (int i = 0; i < 25; i++)
            store.Add("a", Response($"a{i}", 100));

        Assert.That(Enumerable.Range(0, 25).Where(i => store.Find("a", $"a{i}") is not null), Is.EqualTo(Enumerable.Range(15, 10)));
        store.Add("b", Response("b0", 10_000));
        for (int i = 0; i < 9; i++)
            store.Add("c", Response($"c{i}", 40_000));
        Assert.That(store.Bytes, Is.LessThanOrEqualTo(options.MaxStoredBytes));
        Assert.That(store.Find("b", "b0"), Is.Not.Null, "the key with the most bytes loses");
        store.Add("b", Response("b1", 200_000));
        Assert.That(store.Find("b", "b1"), Is.Null, "more than all that there may be");
        clock.Now += TimeSpan.FromMinutes(6);
        Assert.That(store.Find("b", "b0"), Is.Null);
        Assert.That(store.Bytes, Is.Zero);
        await Task.CompletedTask;

        static StoredResponse Response(string id, int bytes) => new(id, [], new Dictionary<string, IReadOnlyList<Microsoft.Extensions.AI.AIContent>>(), new byte[bytes]);
    }

    [Test]
    public async Task PreviousResponses_InALongChain_AreCountedAgainstTheLimits()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "MaxMessages=6");
        string? previous = null;
        Reply reply = null!;
        for (int i = 0; i < 5; i++)
        {
            reply = await service.PostAsync("/v1/responses", new { model = "nano", input = "x", previous_response_id = previous });
            if (reply.Status != HttpStatusCode.OK)
                break;
            previous = reply.Json.GetProperty("id").GetString();
        }

        Assert.That((reply.Status, reply.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, "input")), reply.Text);
    }

    [Test]
    public async Task Log_OfEveryWire_HasNothingThatUsersWrote()
    {
        const string Secret = "my-most-secret-sentence";
        await SharedService.Service.PostAsync("/v1/responses", new { model = "nano", input = Secret, max_output_tokens = 1, metadata = new { a = Secret } });
        await SharedService.Service.PostAsync("/v1/messages", new { model = "nano", max_tokens = 1, system = Secret, messages = new[] { new { role = "user", content = Secret } } });
        await SharedService.Service.PostAsync("/api/chat", new { model = "nano", messages = new[] { new { role = Secret, content = Secret } } });
        await SharedService.Service.PostAsync("/v1/decisions", new { model = "nano", messages = new[] { new { role = "user", content = Secret } }, choices = new[] { Secret, "x" } });
        await SharedService.Service.PostAsync("/v1/responses", $$"""{"model": "{{Secret}}", "input": "x", "{{Secret}}": 1}""");

        Assert.That(SharedService.Service.Log.Lines, Has.None.Contains(Secret));
    }

    private static string MessageOf(string path, Reply reply) => path.StartsWith("/api/", StringComparison.Ordinal) ? reply.Error.GetString()! : reply.Error.GetProperty("message").GetString()!;

    private static object BodyOf(string path, string image, int images, bool stream = false)
    {
        string[] all = [.. Enumerable.Repeat(image, images)];
        return path switch
        {
            "/v1/responses" => new { model = "nano", stream, input = new[] { new { role = "user", content = all.Select(one => (object)new { type = "input_image", image_url = $"data:image/png;base64,{one}" }).Append(new { type = "input_text", text = "x" }) } } },
            "/v1/messages" => new { model = "nano", stream, max_tokens = 100, messages = new[] { new { role = "user", content = all.Select(one => (object)new { type = "image", source = new { type = "base64", media_type = "image/png", data = one } }).Append(new { type = "text", text = "x" }) } } },
            "/api/chat" => new { model = "nano", stream, messages = new[] { new { role = "user", content = "x", images = all } } },
            _ => new { model = "nano", stream, prompt = "x", images = all },
        };
    }

    private sealed class FakeClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
