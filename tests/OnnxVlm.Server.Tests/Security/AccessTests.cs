using System.Net;
using System.Net.Http.Headers;
using Microsoft.Extensions.Options;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests.Security;

/// <summary>Attacks on who may use the service: endpoints outside the key, binding to the world, other origins, other names for this machine, model names.</summary>
internal sealed class AccessTests
{
    private const string Key = "sk-right";

    private static readonly string[] Guarded =
        ["/v1/models", "/v1/models/nano", "/metrics", "/openapi/v1.json", "/nothing", "/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize", "/props", "/slots", "/apply-template", "/v1/chat/completions/input_tokens",
            "/v1/responses", "/v1/responses/resp_x", "/v1/responses/input_tokens", "/v1/messages", "/v1/decisions", "/v1/messages/count_tokens", "/api/chat", "/api/generate", "/api/tags", "/api/show", "/api/version", "/health/../metrics", "/index.html/x", "//metrics"];

    [TestCase("http://0.0.0.0:0")]
    [TestCase("http://[::]:0")]
    [TestCase("http://*:0")]
    [TestCase("http://+:0")]
    [TestCase("http://example.org:0")]
    [TestCase("http://192.168.1.1:0")]
    [TestCase("http://127.0.0.1:0;http://0.0.0.0:0")]
    [TestCase("nonsense")]
    public void Start_OutsideLoopbackWithoutAKey_IsRefused(string urls) =>
        Assert.That(() => OnnxVlmServer.Create(TestService.Settings($"urls={urls}")), Throws.InvalidOperationException.With.Message.Contains("API key"));

    [Test]
    public void Start_KestrelEndpointOutsideLoopbackWithoutAKey_IsRefused() =>
        Assert.That(
            () => OnnxVlmServer.Create(TestService.Settings().Append(new("Kestrel:Endpoints:Http:Url", "http://0.0.0.0:0"))),
            Throws.InvalidOperationException.With.Message.Contains("API key"));

    [TestCase("http://127.0.0.1:0", true)]
    [TestCase("http://127.9.9.9:0", true)]
    [TestCase("http://[::1]:0", true)]
    [TestCase("http://localhost:0", true)]
    [TestCase("http://unix:/tmp/onnxvlm.sock", true)]
    [TestCase("http://localhost.example.org:0", false)]
    [TestCase("http://127.0.0.1.example.org:0", false)]
    [TestCase("http://[::ffff:10.0.0.1]:0", false)]
    [TestCase("http://2130706433:0", true)]
    public void IsLoopback_Address_IsToldFromOthers(string address, bool expected) => Assert.That(ListenAddresses.IsLoopback(address), Is.EqualTo(expected));

    [Test]
    public async Task Start_OutsideLoopbackWithAKey_Works()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "urls=http://0.0.0.0:0", $"ApiKeys:0={Key}");

        Assert.That(service.Address.Port, Is.Not.Zero);
    }

    [Test]
    public async Task EveryEndpoint_WithoutOrWithAWrongKey_Is401()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), $"ApiKeys:0={Key}");

        foreach (string path in Guarded)
        {
            foreach (string? key in new[] { null, "", "sk-wrong", "sk-righ", "sk-rightt", "SK-RIGHT", "sk-right\u00A0" })
            {
                foreach (HttpMethod method in new[] { HttpMethod.Get, HttpMethod.Post, HttpMethod.Head, HttpMethod.Delete })
                {
                    using HttpRequestMessage request = new(method, service.Address.GetLeftPart(UriPartial.Authority) + path);
                    if (key is not null)
                        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {Uri.EscapeDataString(key)}");
                    using HttpResponseMessage response = await service.Client.SendAsync(request);

                    Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized), $"{method} {path} with {key}");
                }
            }
        }
        Assert.That(service.Log.Lines, Has.None.Contains("sk-wrong"));
    }

    [Test]
    public async Task EveryEndpoint_WithTheKeyInAnotherPlace_Is401()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), $"ApiKeys:0={Key}");
        using HttpRequestMessage basic = new(HttpMethod.Get, "/v1/models"), query = new(HttpMethod.Get, $"/v1/models?api_key={Key}"), cookie = new(HttpMethod.Get, "/v1/models");
        basic.Headers.Authorization = new AuthenticationHeaderValue("Basic", Key);
        cookie.Headers.Add("Cookie", $"api_key={Key}");

        foreach (HttpRequestMessage request in new[] { basic, query, cookie })
        {
            using HttpResponseMessage response = await service.Client.SendAsync(request);
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        }
    }

    [TestCase("sk-right", HttpStatusCode.OK)]
    [TestCase("sk-wrong", HttpStatusCode.Unauthorized)]
    [TestCase("", HttpStatusCode.Unauthorized)]
    public async Task EveryEndpoint_WithAnthropicsHeader_WantsTheKeyThere(string key, HttpStatusCode expected)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), $"ApiKeys:0={Key}");
        using HttpRequestMessage request = new(HttpMethod.Get, "/v1/models"), both = new(HttpMethod.Get, "/v1/models");
        request.Headers.TryAddWithoutValidation("x-api-key", key);
        both.Headers.TryAddWithoutValidation("x-api-key", Key);
        both.Headers.TryAddWithoutValidation("Authorization", "Bearer sk-wrong");

        using HttpResponseMessage response = await service.Client.SendAsync(request), second = await service.Client.SendAsync(both);

        Assert.That((response.StatusCode, second.StatusCode), Is.EqualTo((expected, HttpStatusCode.Unauthorized)));
    }

    [Test]
    public async Task EveryEndpoint_WithOneOfTheKeys_Works()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "ApiKeys:0=sk-other", $"ApiKeys:1={Key}");

        Assert.That((await service.GetAsync("/v1/models", Key)).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await service.PostAsync("/v1/chat/completions", TestService.Chat("hello"), "sk-other")).Content, Is.EqualTo("x"));
        Assert.That((await service.GetAsync("/metrics", Key)).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task HealthAndPage_WithoutAKey_TellNothingElse()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), $"ApiKeys:0={Key}");

        Assert.That((await service.GetAsync("/health")).Text, Is.EqualTo("""{"status":"ok"}"""));
        Assert.That((await service.GetAsync("/")).Text, Does.Contain("<html").And.Not.Contain(Key).And.Not.Contain(Nano.Folder));
    }

    [Test]
    public async Task Cors_Default_DeniesEveryOrigin()
    {
        using HttpResponseMessage preflight = await PreflightAsync(SharedService.Service, "https://evil.example");

        Assert.That(preflight.Headers.Contains("Access-Control-Allow-Origin"), Is.False);
    }

    [Test]
    public async Task Cors_AllowedOrigin_IsAllowedAndOthersAreNot()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "AllowedOrigins:0=https://good.example", $"ApiKeys:0={Key}");

        using HttpResponseMessage good = await PreflightAsync(service, "https://good.example"), evil = await PreflightAsync(service, "https://good.example.evil.example");

        Assert.That(good.Headers.GetValues("Access-Control-Allow-Origin"), Is.EqualTo(new[] { "https://good.example" }));
        Assert.That(good.Headers.Contains("Access-Control-Allow-Credentials"), Is.False);
        Assert.That(evil.Headers.Contains("Access-Control-Allow-Origin"), Is.False);
    }

    [Test]
    public void Cors_Star_IsRefusedAtTheStart() =>
        Assert.That(() => OnnxVlmServer.Create(TestService.Settings("AllowedOrigins:0=*")), Throws.InstanceOf<OptionsValidationException>().With.Message.Contains("AllowedOrigins"));

    // What a page of another origin can send without asking first.
    [TestCase("text/plain")]
    [TestCase("application/x-www-form-urlencoded")]
    [TestCase("multipart/form-data")]
    [TestCase(null)]
    public async Task Post_SimpleRequestOfAnotherOrigin_Is415(string? mediaType)
    {
        using StringContent content = new("""{"model":"nano","messages":[{"role":"user","content":"x"}]}""");
        content.Headers.ContentType = mediaType is null ? null : new MediaTypeHeaderValue(mediaType);

        using HttpResponseMessage response = await SharedService.Service.Client.PostAsync(new Uri("/v1/chat/completions", UriKind.Relative), content);

        Reply reply = await Reply.ReadAsync(response);
        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));
        Assert.That(reply.Error.GetProperty("message").GetString(), Does.Contain("Content-Type: application/json"));
    }

    [TestCase("evil.example", HttpStatusCode.BadRequest)]
    [TestCase("localhost", HttpStatusCode.OK)]
    public async Task Get_OtherNameForThisMachine_IsRefusedWithoutAKey(string host, HttpStatusCode expected)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, "/v1/models");
        request.Headers.Host = host;

        using HttpResponseMessage response = await SharedService.Service.Client.SendAsync(request);

        Assert.That(response.StatusCode, Is.EqualTo(expected));
    }

    [TestCase("../nano")]
    [TestCase("/etc/passwd")]
    [TestCase("onnx-models/nano")]
    [TestCase("NANO")]
    [TestCase("nano\u0000")]
    [TestCase("nano/..")]
    public async Task Chat_ModelNameThatIsAPath_IsNotFound(string name)
    {
        Reply chat = await SharedService.Service.PostAsync("/v1/chat/completions", new { model = name, messages = new[] { new { role = "user", content = "x" } } });
        Reply card = await SharedService.Service.GetAsync($"/v1/models/{Uri.EscapeDataString(name)}");

        Assert.That((chat.Status, chat.ErrorCode), Is.EqualTo((HttpStatusCode.NotFound, "model_not_found")));
        Assert.That(chat.Text, Does.Not.Contain("passwd"));
        Assert.That(card.Status, Is.EqualTo(HttpStatusCode.NotFound).Or.EqualTo(HttpStatusCode.BadRequest));
    }

    [TestCase("../appsettings.json")]
    [TestCase("..%2f..%2fappsettings.json")]
    [TestCase("wwwroot/index.html")]
    [TestCase("OnnxVlm.Server.dll")]
    public async Task Page_PathTraversal_FindsNothing(string path)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri($"{SharedService.Service.Address}{path}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));

        using HttpResponseMessage response = await SharedService.Service.Client.SendAsync(request);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.NotFound).Or.EqualTo(HttpStatusCode.BadRequest));
    }

    [TestCase("authorization,content-type")]
    [TestCase("x-stainless-os,x-stainless-lang,x-stainless-retry-count")]
    [TestCase("x-api-key,anthropic-version,anthropic-dangerous-direct-browser-access")]
    [TestCase("x-something-that-no-list-has")]
    public async Task Cors_AllowedOrigin_MaySendTheHeadersThatItAsksFor(string headers)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "AllowedOrigins:0=https://good.example");

        using HttpResponseMessage good = await PreflightAsync(service, "https://good.example", headers), evil = await PreflightAsync(service, "https://evil.example", headers);

        Assert.That(good.Headers.GetValues("Access-Control-Allow-Headers").Single(), Is.EqualTo(headers));
        Assert.That(evil.Headers.Contains("Access-Control-Allow-Headers"), Is.False);
    }

    [Test]
    public async Task Cors_AllowedOrigin_MayReadErrors()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "AllowedOrigins:0=https://good.example", $"ApiKeys:0={Key}");
        using HttpRequestMessage request = TestService.Request("/v1/chat/completions", "{}");
        request.Headers.Add("Origin", "https://good.example");

        using HttpResponseMessage response = await service.Client.SendAsync(request);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(response.Headers.GetValues("Access-Control-Allow-Origin"), Is.EqualTo(new[] { "https://good.example" }));
    }

    [TestCase("", "host.docker.internal", HttpStatusCode.BadRequest)]
    [TestCase("host.docker.internal", "host.docker.internal", HttpStatusCode.OK)]
    [TestCase("host.docker.internal", "localhost", HttpStatusCode.OK)]
    [TestCase("host.docker.internal", "other.docker.internal", HttpStatusCode.BadRequest)]
    [TestCase("*.example.org;x", "a.example.org", HttpStatusCode.OK)]
    [TestCase("*.example.org;x", "example.org", HttpStatusCode.BadRequest)]
    [TestCase("*.example.org;x", "aexample.org", HttpStatusCode.BadRequest)]
    [TestCase("*", "evil.example", HttpStatusCode.BadRequest)]
    public async Task Host_OfAnotherName_IsRefusedInTheFormOfOtherErrorsUnlessItIsAllowed(string allowed, string host, HttpStatusCode expected)
    {
        Environment.SetEnvironmentVariable("AllowedHosts", allowed);
        try
        {
            await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]));
            using HttpRequestMessage request = new(HttpMethod.Get, "/v1/models");
            request.Headers.Host = host;

            using HttpResponseMessage response = await service.Client.SendAsync(request);
            Reply reply = await Reply.ReadAsync(response);

            Assert.That(reply.Status, Is.EqualTo(expected), reply.Text);
            if (expected != HttpStatusCode.OK)
                Assert.That((reply.ErrorCode, reply.Error.GetProperty("message").GetString()!.Contains("AllowedHosts", StringComparison.Ordinal)), Is.EqualTo(("host_not_allowed", true)));
        }
        finally
        {
            Environment.SetEnvironmentVariable("AllowedHosts", null);
        }
    }

    private static async Task<HttpResponseMessage> PreflightAsync(TestService service, string origin, string headers = "authorization,content-type")
    {
        using HttpRequestMessage request = new(HttpMethod.Options, "/v1/chat/completions");
        request.Headers.Add("Origin", origin);
        request.Headers.Add("Access-Control-Request-Method", "POST");
        request.Headers.Add("Access-Control-Request-Headers", headers);
        return await service.Client.SendAsync(request);
    }
}
