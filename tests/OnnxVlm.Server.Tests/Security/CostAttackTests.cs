using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using OnnxVlm.Server.Admission;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests.Security;

/// <summary>Attacks that make a request cost others more than its share: what each finding of a review did, by its number.</summary>
internal sealed class CostAttackTests
{
    private const string Chat = "/v1/chat/completions";

    private static TestService Service => SharedService.Service;

    [TestCase(199, false)]
    [TestCase(40, false)]
    [TestCase(5, false)]
    [TestCase(40, true)]
    [CancelAfter(60_000)]
    public async Task Attack01_PatternsThatMultiply_AreRefusedBeforeTheyAreCompiled(int count, bool asTool, CancellationToken cancellationToken)
    {
        object schema = new { type = "string", allOf = Enumerable.Range(1, count).Select(i => new { pattern = $"^.*a.{{{i}}}b.*$" }) };
        object request = asTool
            ? new { tools = new[] { new { type = "function", function = new { name = "f", parameters = new { type = "object", properties = new { x = schema } } } } } }
            : new { response_format = new { type = "json_schema", json_schema = new { name = "x", schema } } };

        Reply reply = await Service.ChatAsync("x", request, cancellationToken);

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_schema")), reply.Text);
        Assert.That(reply.Text, Does.Contain("patterns"));
    }

    [TestCase("^(abc){1000000}$")]
    [TestCase("^((a{0,100}){0,100}){0,100}$")]
    public async Task Attack01_PatternOfMillionsOfCharacters_IsRefused(string pattern)
    {
        Reply reply = await Service.ChatAsync("x", new { response_format = new { type = "json_schema", json_schema = new { name = "x", schema = new { type = "string", pattern } } } });

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_schema")), reply.Text);
    }

    [Test]
    [CancelAfter(60_000)]
    public async Task Attack02_TextOfSpecialTokens_IsRefusedByItsSize(CancellationToken cancellationToken)
    {
        string text = string.Concat(Enumerable.Repeat("<|image|>", 80_000));

        Reply tokens = await Service.PostAsync("/tokenize", new { model = "nano", prompt = text }, null, cancellationToken);
        Reply conversation = await Service.PostAsync("/tokenize", new { model = "nano", messages = new[] { new { role = "user", content = text } } }, null, cancellationToken);
        Reply answer = await Service.ChatAsync(text, null, cancellationToken);
        Reply completion = await Service.PostAsync("/v1/completions", new { model = "nano", prompt = text }, null, cancellationToken);

        foreach (Reply reply in new[] { tokens, conversation, answer, completion })
            Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "context_length_exceeded")), reply.Text);
    }

    [Test]
    public async Task Attack02_ManyTokensToDetokenize_AreRefused()
    {
        Reply tokens = await Service.PostAsync("/detokenize", new { model = "nano", tokens = new int[900_000] });
        Reply values = await Service.PostAsync("/detokenize", new { model = "nano", tokens = new int[2_000_000] });

        Assert.That((tokens.Status, tokens.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, "tokens")), tokens.Text);
        Assert.That(values.Status, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(values.Text, Does.Contain("1000000 values"));
    }

    [Test]
    public async Task Attack03_PromptOfAnotherKey_IsNotInTheCache([Values] bool isShared)
    {
        await using TestService service = await TestService.StartAsync(null, "ApiKeys:0=one", "ApiKeys:1=two", $"ShareCache={isShared}");
        object body = TestService.Chat("A sentence that only one of the two may know of, and that the other one guesses.", new { max_tokens = 1 });

        Reply first = await service.PostAsync(Chat, body, "one"), guess = await service.PostAsync(Chat, body, "two"), again = await service.PostAsync(Chat, body, "one");

        Assert.That(Cached(first), Is.Zero);
        Assert.That(Cached(guess), isShared ? Is.GreaterThan(0) : Is.Zero);
        Assert.That(Cached(again), Is.GreaterThan(0));

        static int Cached(Reply reply) => reply.Json.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32();
    }

    [TestCase(true, "SendTimeout=00:00:00.500", "AnswerTimeout=00:10:00")]
    [TestCase(true, "SendTimeout=00:10:00", "AnswerTimeout=00:00:02")]
    [TestCase(false, "SendTimeout=00:10:00", "AnswerTimeout=00:10:00")]
    [CancelAfter(60_000)]
    public async Task Attack04_ClientThatDoesNotRead_GivesItsTurnBack(bool stream, string sendTimeout, string answerTimeout, CancellationToken cancellationToken)
    {
        string[] pieces = [.. Enumerable.Repeat(new string('x', 2000), 20_000)];
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(pieces, ["short"]), "MaxRunning=1", sendTimeout, answerTimeout);
        using RawClient deaf = await RawClient.ConnectAsync(service);
        string body = $$"""{"model": "nano", "messages": [{"role": "user", "content": "x"}], "stream": {{(stream ? "true" : "false")}}}""";
        await deaf.PostAsync(Chat, $"Content-Length: {body.Length}");
        await deaf.SendAsync(body);
        Assert.That(() => service.Get<AdmissionQueue>().Running, Is.EqualTo(1).After(10_000, 5));

        Reply other = await service.ChatAsync("y", null, cancellationToken);

        Assert.That(other.Content, Is.EqualTo("short"), other.Text);
    }

    [Test]
    [CancelAfter(60_000)]
    public async Task Attack05_HundredSlowBodiesOfOneClient_HoldUpThatClientOnly(CancellationToken cancellationToken)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "ApiKeys:0=greedy", "ApiKeys:1=modest", "BodyTimeout=00:00:40");
        RawClient[] slow = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => RawClient.ConnectAsync(service)));
        foreach (RawClient client in slow)
        {
            await client.PostAsync(Chat, "Authorization: Bearer greedy", "Content-Length: 100000");
            await client.SendAsync("{");
        }
        Assert.That(() => service.Get<BodyGate>().UnderWay, Is.EqualTo(16).After(10_000, 10));

        Reply other = await service.PostAsync(Chat, TestService.Chat("hello"), "modest", cancellationToken);

        Assert.That(other.Content, Is.EqualTo("x"), other.Text);
        foreach (RawClient client in slow)
            client.Dispose();
        Assert.That(() => service.Get<BodyGate>().UnderWay, Is.Zero.After(20_000, 20));
        Assert.That((await service.PostAsync(Chat, TestService.Chat("hello"), "greedy", cancellationToken)).Content, Is.EqualTo("x"));
    }

    [Test]
    [CancelAfter(60_000)]
    public async Task Attack05_BodyThatTrickles_EndsAtItsDeadline(CancellationToken cancellationToken)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "BodyTimeout=00:00:00.300");
        using RawClient slow = await RawClient.ConnectAsync(service);
        await slow.PostAsync(Chat, "Transfer-Encoding: chunked");
        await slow.SendAsync("1\r\n{\r\n");

        string answer = await slow.ReadAsync(cancellationToken);

        Assert.That(answer, Does.StartWith("HTTP/1.1 408").And.Contain("Connection: close"));
        Assert.That(() => service.Get<BodyGate>().UnderWay, Is.Zero.After(10_000, 10));
    }

    [Test]
    public async Task Attack05_AllPlacesOfTheQueue_AreNotOneClients()
    {
        AdmissionQueue queue = new(new() { MaxRunning = 1, MaxWaiting = 10 });
        IDisposable running = await queue.EnterAsync("greedy", CancellationToken.None);
        Task<IDisposable>[] greedy = [.. Enumerable.Range(0, 10).Select(_ => queue.EnterAsync("greedy", CancellationToken.None))];

        Task<IDisposable> modest = queue.EnterAsync("modest", CancellationToken.None);

        Assert.That(async () => await greedy[^1], Throws.InstanceOf<ApiException>().With.Property("Status").EqualTo(429));
        Assert.That(async () => await queue.EnterAsync("greedy", CancellationToken.None), Throws.InstanceOf<ApiException>());
        running.Dispose();
        foreach (Task<IDisposable> turn in greedy[..1].Append(modest).Concat(greedy[1..^1]))
            (await turn).Dispose();
        Assert.That((queue.Running, queue.Waiting), Is.EqualTo((0, 0)));
    }

    [TestCase(Chat)]
    [TestCase("/v1/completions")]
    [TestCase("/tokenize")]
    [CancelAfter(120_000)]
    public async Task Attack06_TextOf30Megabytes_IsRefusedBeforeItIsTokenized(string path, CancellationToken cancellationToken)
    {
        const int Bytes = 30 << 20;
        string text = string.Concat(Enumerable.Repeat("word ", Bytes / 5));
        string body = path == Chat
            ? $$"""{"model": "nano", "messages": [{"role": "user", "content": "{{text}}"}]}"""
            : $$"""{"model": "nano", "prompt": "{{text}}"}""";
        using HttpRequestMessage request = TestService.Request(path, body);
        await request.Content!.LoadIntoBufferAsync(cancellationToken);
        long before = GC.GetTotalAllocatedBytes();

        using HttpResponseMessage response = await Service.Client.SendAsync(request, cancellationToken);
        Reply reply = await Reply.ReadAsync(response);

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "context_length_exceeded")), reply.Text);
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(10L * Bytes));
    }

    [Test]
    [CancelAfter(60_000)]
    public async Task Attack06_BytesOfBodiesUnderWay_AreBounded(CancellationToken cancellationToken)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "MaxBodyBytes=1000000", "MaxBodyBytesUnderWay=2000000", "ApiKeys:0=a", "ApiKeys:1=b", "ApiKeys:2=c");
        List<RawClient> clients = [];
        foreach (string key in new[] { "a", "a", "b", "b", "c", "c" })
        {
            RawClient client = await RawClient.ConnectAsync(service);
            clients.Add(client);
            await client.PostAsync(Chat, $"Authorization: Bearer {key}", "Content-Length: 900000");
            await client.SendAsync("{");
        }

        Assert.That(() => service.Get<BodyGate>().UnderWay, Is.EqualTo(2).After(10_000, 20), "one of each of two clients");
        await Task.Delay(200, cancellationToken);
        Assert.That(service.Get<BodyGate>().UnderWay, Is.EqualTo(2));
        foreach (RawClient client in clients)
            client.Dispose();
        Assert.That(() => service.Get<BodyGate>().UnderWay, Is.Zero.After(20_000, 20));
    }

    [TestCase("""{"model": "nano", "max_tokens": 1, "messages": [{"role": "user", "content": "\ud83d"}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "messages": [{"role": "user", "content": "\udc00\ud83d\ud83d\ude00"}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "messages": [{"role": "user", "content": "\\\uD83D"}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "text", "text": "\ud83d"}]}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "messages": [{"role": "\ud83d", "content": "x"}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "messages": [{"role": "user", "name": "\ud83d", "content": "x"}]}""")]
    [TestCase("""{"model": "\ud83d", "messages": [{"role": "user", "content": "x"}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "stop": "\ud83d", "messages": [{"role": "user", "content": "x"}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "stop": ["\ud83d"], "messages": [{"role": "user", "content": "x"}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "logit_bias": {"\ud83d": 1}, "messages": [{"role": "user", "content": "x"}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "\ud83d": 1, "messages": [{"role": "user", "content": "x"}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "user": "\ud83d", "messages": [{"role": "user", "content": "x"}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "\ud83d"}}]}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,\ud83d"}}]}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"enum": ["\ud83d"]}}}}""")]
    [TestCase("""{"model": "nano", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema", "json_schema": {"name": "\ud83d", "schema": {"type": "object", "properties": {"\ud83d": {"type": "string", "description": "\ud83d"}}}}}}""")]
    [TestCase("""{"model": "nano", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], "tool_choice": "\ud83d", "tools": [{"type": "function", "function": {"name": "f"}}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], "tool_choice": {"type": "function", "function": {"name": "\ud83d"}}, "tools": [{"type": "function", "function": {"name": "f"}}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "\ud83d"}}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "f", "description": "\ud83d", "parameters": {"type": "object", "properties": {"a": {"const": "\ud83d"}}}}}]}""")]
    [TestCase("""{"model": "nano", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [{"id": "\ud83d", "type": "function", "function": {"name": "f", "arguments": "{\"a\": \"\\ud83d\"}"}}]}, {"role": "tool", "tool_call_id": "\ud83d", "content": "\ud83d"}]}""")]
    public async Task Attack08_HalfOfASurrogatePair_IsNoMistakeOfTheServer(string body)
    {
        Reply reply = await Service.PostAsync(Chat, body);
        Reply bytes = await PostBytesAsync(Chat, Encoding.Latin1.GetBytes(Regex.Replace(body, @"(?<!\\)\\ud83d", "\u00FF")));

        Assert.That((int)reply.Status, Is.LessThan(500), reply.Text);
        Assert.That((int)bytes.Status, Is.LessThan(500), bytes.Text);
        Assert.That(Service.Log.Lines, Has.None.Contains("ArgumentException").And.None.Contains("InvalidOperationException"));
    }

    [TestCase("/v1/completions", """{"model": "nano", "max_tokens": 1, "prompt": "\ud83d"}""")]
    [TestCase("/tokenize", """{"model": "nano", "prompt": "\ud83d"}""")]
    [TestCase("/tokenize", """{"model": "nano", "messages": [{"role": "user", "content": "\ud83d"}]}""")]
    public async Task Attack08_HalfOfASurrogatePairElsewhere_IsTheReplacementCharacter(string path, string body)
    {
        Reply half = await Service.PostAsync(path, body), whole = await Service.PostAsync(path, body.Replace("ud83d", "ufffd", StringComparison.Ordinal));

        Assert.That((half.Status, whole.Status), Is.EqualTo((HttpStatusCode.OK, HttpStatusCode.OK)), half.Text);
        if (path == "/tokenize")
            Assert.That(half.Text, Is.EqualTo(whole.Text));
    }

    [TestCase("33554433")]
    [TestCase("2000000000")]
    [TestCase("2147483648")]
    [TestCase("99999999999")]
    [TestCase("9223372036854775807")]
    [CancelAfter(60_000)]
    public async Task Attack06_DeclaredLengthBeyondTheLimit_IsRefusedBeforeRoomIsMade(string length, CancellationToken cancellationToken)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]));
        using RawClient client = await RawClient.ConnectAsync(service);
        long before = GC.GetTotalAllocatedBytes();
        await client.PostAsync(Chat, $"Content-Length: {length}");

        string answer = await client.ReadAsync(cancellationToken);

        Assert.That(answer, Does.StartWith("HTTP/1.1 413"), string.Join('\n', service.Log.Lines));
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(16 << 20));
    }

    [TestCase("FFFFFFFFFFFFFFFF1\r\n{")]
    [TestCase("FFFFFFFF\r\n{")]
    [TestCase("-1\r\n{")]
    [TestCase("xyz\r\n{")]
    [CancelAfter(60_000)]
    public async Task Attack08_ChunkOfAnAbsurdSize_IsNoMistakeOfTheServer(string chunk, CancellationToken cancellationToken)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "BodyTimeout=00:00:00.500");
        using RawClient client = await RawClient.ConnectAsync(service);
        await client.PostAsync(Chat, "Transfer-Encoding: chunked");
        await client.SendAsync(chunk);

        string answer = await client.ReadAsync(cancellationToken);

        Assert.That(answer, Does.Match("^HTTP/1.1 4[0-9][0-9]"), string.Join('\n', service.Log.Lines));
        Assert.That(service.Log.Lines, Has.None.Contains("   at "));
    }

    [TestCase("null")]
    [TestCase("NULL")]
    [TestCase("https://*.example.org")]
    [TestCase("*.example.org")]
    [TestCase("example.org")]
    [TestCase("https://example.org/path")]
    [TestCase("https://user@example.org")]
    [TestCase("file:///x")]
    [TestCase("")]
    public void Attack09_OriginThatWouldLetInAllOrNone_IsRefusedAtTheStart(string origin) =>
        Assert.That(() => OnnxVlmServer.Create(TestService.Settings($"AllowedOrigins:0={origin}")), Throws.InstanceOf<OptionsValidationException>().With.Message.Contains("AllowedOrigins"));

    [TestCase("https://example.org")]
    [TestCase("http://localhost:3000")]
    [TestCase("https://[::1]:8443")]
    public async Task Attack09_PlainOrigin_IsTaken(string origin)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), $"AllowedOrigins:0={origin}");
        Assert.That((await service.GetAsync("/health")).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Attack10_OtherSpellingsOfMetrics_AreBlockedByNginxAsTheServiceReadsThem()
    {
        string nginx = await File.ReadAllTextAsync(Path.Combine(Nano.Root, "src", "OnnxVlm.Server", "deploy", "nginx.conf"));
        Match block = Regex.Match(nginx, @"location ~\* (?<pattern>\S+) \{ return 404; \}");
        Assert.That(block.Success);

        foreach (string path in new[] { "/metrics", "/METRICS", "/metrics/", "/Metrics//", "/metrics?x=1", "/metricsx", "/x/metrics" })
        {
            Reply reply = await Service.GetAsync(path);
            bool isBlocked = Regex.IsMatch(path.Split('?')[0], block.Groups["pattern"].Value, RegexOptions.IgnoreCase);
            Assert.That(isBlocked, Is.EqualTo(reply.Status == HttpStatusCode.OK).Or.EqualTo(true), path);
            Assert.That(isBlocked || reply.Status != HttpStatusCode.OK, path);
        }
    }

    [Test]
    [CancelAfter(60_000)]
    public async Task Attack11_ImagesThatDoNotFit_AreRefusedBeforeTheyAreDecoded(CancellationToken cancellationToken)
    {
        string url = $"data:image/png;base64,{Convert.ToBase64String(GreyPng(8000, 4900))}";
        object[] parts = [.. Enumerable.Repeat<object>(new { type = "image_url", image_url = new { url } }, 8), new { type = "text", text = string.Concat(Enumerable.Repeat("word ", 200)) }];
        long before = GC.GetTotalAllocatedBytes();

        Reply reply = await Service.ChatAsync(parts, null, cancellationToken);

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "context_length_exceeded")), reply.Text);
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(100_000_000), "each of them has 157 MB decoded");
    }

    [TestCase("f\n")]
    [TestCase("f\r\n")]
    [TestCase("\nf")]
    [TestCase("f\u0000")]
    public async Task Attack12_NameOfAFunctionWithALineEnd_IsRefused(string name)
    {
        Reply reply = await Service.ChatAsync("x", new { tools = new[] { new { type = "function", function = new { name } } } });

        Assert.That((reply.Status, reply.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, "tools[0].function.name")), reply.Text);
    }

    [TestCase("host.docker.internal")]
    [TestCase("evil.example")]
    [TestCase("10.0.0.1:8080")]
    public async Task Attack13_ForeignHost_IsToldInTheFormOfTheApi(string host)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, "/v1/models");
        request.Headers.Host = host;

        using HttpResponseMessage response = await Service.Client.SendAsync(request);
        Reply reply = await Reply.ReadAsync(response);

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "host_not_allowed")), reply.Text);
        Assert.That(reply.Text, Does.Contain("localhost").And.Contain("ApiKeys").And.Not.Contain(host));
        Assert.That(response.Content.Headers.ContentType!.MediaType, Is.EqualTo("application/json"));
        Assert.That(response.Headers.GetValues("X-Content-Type-Options"), Is.EqualTo(new[] { "nosniff" }));
        Assert.That(response.Headers.Contains("x-request-id"));
    }

    [Test]
    public async Task Attack13_BodyWithoutAContentType_IsToldWhatToDo()
    {
        using StringContent content = new("{}");
        content.Headers.ContentType = new MediaTypeHeaderValue("application/x-www-form-urlencoded");

        using HttpResponseMessage response = await Service.Client.PostAsync(new Uri(Chat, UriKind.Relative), content);
        Reply reply = await Reply.ReadAsync(response);

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));
        Assert.That(reply.Error.GetProperty("message").GetString(), Does.Contain("Content-Type: application/json"));
    }

    [Test]
    [CancelAfter(60_000)]
    public async Task Attack14_ConnectionsOverTheLimit_AreClosed(CancellationToken cancellationToken)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "MaxConnections=3");
        List<RawClient> idle = [];
        for (int i = 0; i < 3; i++)
        {
            idle.Add(await RawClient.ConnectAsync(service));
            await idle[^1].PostAsync(Chat, "Content-Length: 10");
        }
        Assert.That(() => service.Get<BodyGate>().UnderWay, Is.EqualTo(3).After(10_000, 10));

        using RawClient fourth = await RawClient.ConnectAsync(service);
        await fourth.UntilClosedAsync(cancellationToken);

        foreach (RawClient client in idle)
            client.Dispose();
        Assert.That(async () => (await service.GetAsync("/health")).Status, Is.EqualTo(HttpStatusCode.OK).After(10_000, 50));
    }

    [Test]
    public async Task Attack14_KeyOfAnyLength_IsUnknown()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "ApiKeys:0=right");

        Assert.That((await service.GetAsync("/v1/models", new string('k', 20_000))).Status, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(() => OnnxVlmServer.Create(TestService.Settings($"ApiKeys:0={new string('k', 513)}")), Throws.InstanceOf<OptionsValidationException>().With.Message.Contains("512 characters"));
    }

    [TestCase("/v1/models")]
    [TestCase("/metrics")]
    [TestCase("/nothing")]
    [TestCase("/health")]
    public async Task Attack16_AnswersOfTheApi_AreStoredNowhere(string path)
    {
        using HttpResponseMessage response = await Service.Client.GetAsync(new Uri(path, UriKind.Relative));
        Assert.That(response.Headers.CacheControl!.NoStore);
    }

    [Test]
    public async Task Attack16_AnswersAndStreams_AreStoredNowhere([Values] bool stream)
    {
        using HttpRequestMessage request = TestService.Request(Chat, TestService.Chat("x", new { max_tokens = 1, stream }));
        using HttpResponseMessage response = await Service.Client.SendAsync(request);
        Assert.That(response.Headers.CacheControl!.NoStore);
    }

    [TestCase("onnxvlm.service", "^MemoryMax=[0-9]+G$")]
    [TestCase("kubernetes.yaml", "^kind: NetworkPolicy$")]
    [TestCase("kubernetes.yaml", "image: .*@sha256:[0-9a-f]{64}$")]
    [TestCase("onnxvlm.env", "^#ASPNETCORE_FORWARDEDHEADERS_ENABLED=true$")]
    public async Task Attack16_Deployment_HasItsLimits(string file, string line) =>
        Assert.That(await File.ReadAllLinesAsync(Path.Combine(Nano.Root, "src", "OnnxVlm.Server", "deploy", file)), Has.Some.Match(line));

    private static async Task<Reply> PostBytesAsync(string path, byte[] body)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } } };
        using HttpResponseMessage response = await Service.Client.SendAsync(request);
        return await Reply.ReadAsync(response);
    }

    private static byte[] GreyPng(int width, int height)
    {
        using MemoryStream zipped = new();
        using (ZLibStream zip = new(zipped, CompressionLevel.Fastest, leaveOpen: true))
        {
            byte[] row = new byte[width + 1];
            for (int y = 0; y < height; y++)
                zip.Write(row);
        }
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = 8;
        return [0x89, .. "PNG\r\n"u8, 0x1A, 0x0A, .. Chunk("IHDR"u8, header), .. Chunk("IDAT"u8, zipped.ToArray()), .. Chunk("IEND"u8, [])];

        static byte[] Chunk(ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
        {
            byte[] chunk = new byte[12 + data.Length];
            BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
            type.CopyTo(chunk.AsSpan(4));
            data.CopyTo(chunk.AsSpan(8));
            return chunk; // the header is all that is read, so the checksum does not matter
        }
    }
}
