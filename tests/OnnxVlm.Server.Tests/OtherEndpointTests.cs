using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests;

/// <summary>Models, tokens, health, metrics, the description and the page.</summary>
internal sealed class OtherEndpointTests
{
    private static TestService Service => SharedService.Service;

    [Test]
    public async Task Models_ListAndGet_DescribeTheModel()
    {
        Reply list = await Service.GetAsync("/v1/models"), one = await Service.GetAsync("/v1/models/nano"), none = await Service.GetAsync("/v1/models/other");

        Assert.That(list.Json.GetProperty("object").GetString(), Is.EqualTo("list"));
        Assert.That(list.Json.GetProperty("data")[0].GetRawText(), Is.EqualTo(one.Text));
        Assert.That(one.Json.GetProperty("id").GetString(), Is.EqualTo("nano"));
        Assert.That(one.Json.GetProperty("loaded").GetBoolean(), Is.True);
        Assert.That(one.Json.GetProperty("max_model_len").GetInt32(), Is.EqualTo(SharedService.Model.Manifest.ContextLength));
        Assert.That((none.Status, none.ErrorCode), Is.EqualTo((HttpStatusCode.NotFound, "model_not_found")));
    }

    [Test]
    public void Configuration_OfTheWorkingDirectory_IsReadButNotWatched()
    {
        FileConfigurationProvider[] files = [.. ((IConfigurationRoot)Service.Get<IConfiguration>()).Providers.OfType<FileConfigurationProvider>()];

        Assert.That(files.Select(file => file.Source.Path), Has.Some.EqualTo("appsettings.json"));
        Assert.That(files.Select(file => file.Source.ReloadOnChange), Is.All.False);
    }

    [Test]
    public async Task Tokenize_ThenDetokenize_GivesTheTextBack()
    {
        const string Text = "A lamp, 49.90 €";

        Reply tokens = await Service.PostAsync("/tokenize", new { model = "nano", prompt = Text });
        Reply text = await Service.PostAsync("/detokenize", new { model = "nano", tokens = tokens.Json.GetProperty("tokens") });

        Assert.That(tokens.Json.GetProperty("count").GetInt32(), Is.EqualTo(tokens.Json.GetProperty("tokens").GetArrayLength()).And.GreaterThan(0));
        Assert.That(text.Json.GetProperty("prompt").GetString(), Is.EqualTo(Text));
    }

    [Test]
    public async Task Tokenize_Conversation_CountsWhatTheModelReads()
    {
        object[] messages = [new { role = "user", content = new object[] { new { type = "image_url", image_url = new { url = Nano.SampleUri } }, new { type = "text", text = "What?" } } }];

        Reply tokens = await Service.PostAsync("/tokenize", new { model = "nano", messages });
        Reply answer = await Service.PostAsync("/v1/chat/completions", new { model = "nano", messages, max_tokens = 1 });
        Reply text = await Service.PostAsync("/detokenize", new { model = "nano", tokens = tokens.Json.GetProperty("tokens") });

        Assert.That(tokens.Json.GetProperty("count").GetInt32(), Is.EqualTo(answer.Json.GetProperty("usage").GetProperty("prompt_tokens").GetInt32()));
        Assert.That(text.Json.GetProperty("prompt").GetString(), Does.StartWith("<|im_start|>user").And.Contains("What?"));
    }

    [TestCase("/tokenize", """{"model": "nano"}""", "prompt")]
    [TestCase("/tokenize", """{"model": "nano", "prompt": "a", "messages": []}""", "prompt")]
    [TestCase("/tokenize", """{"model": "nano", "prompt": "a", "chat_template": "x"}""", "chat_template")]
    [TestCase("/detokenize", """{"model": "nano"}""", "tokens")]
    [TestCase("/detokenize", """{"model": "nano", "tokens": [-1]}""", "tokens")]
    [TestCase("/detokenize", """{"model": "nano", "tokens": [99999999]}""", "tokens")]
    public async Task Tokens_RequestThatCannotBeHonoured_Is400NamingTheField(string path, string body, string param)
    {
        Reply reply = await Service.PostAsync(path, body);

        Assert.That((reply.Status, reply.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, param)), reply.Text);
    }

    [TestCase("/health")]
    [TestCase("/health/ready")]
    [TestCase("/health/live")]
    public async Task Health_Running_IsOk(string path) => Assert.That((await Service.GetAsync(path)).Text, Is.EqualTo("""{"status":"ok"}"""));

    [Test]
    public async Task Metrics_AfterAnAnswer_HaveOpenTelemetrysNames()
    {
        await Service.ChatAsync("hello", new { max_tokens = 2, stream = true });
        await Service.GetAsync("/v1/models/none");

        string text = (await Service.GetAsync("/metrics")).Text;

        foreach (string name in new[]
        {
            "gen_ai_client_operation_duration_seconds_count", "gen_ai_client_token_usage_sum", "http_server_request_duration_seconds_bucket", "kestrel_active_connections",
            "onnxvlm_server_requests_running", "onnxvlm_server_requests_waiting", "onnxvlm_server_models_loaded 1", "onnxvlm_native_owners", "dotnet_process_memory_working_set_bytes",
        })
        {
            Assert.That(text, Does.Contain(name));
        }
        Assert.That(text, Does.Match("onnxvlm_server_requests_refused_total\\{error_type=\"model_not_found\",http_response_status_code=\"404\"\\} [1-9]"));
        Assert.That(text, Does.Match("gen_ai_client_operation_duration_seconds_bucket\\{.*le=\"\\+Inf\"\\} [1-9]"));
        Assert.That(text.Split('\n', StringSplitOptions.RemoveEmptyEntries), Is.All.Match(@"^(# (HELP|TYPE) .+|[a-z0-9_]+(\{([a-z0-9_]+=""[^""]*"",?)+\})? \S+)$"));
        Assert.That(text.Split('\n').Where(line => line.StartsWith("# TYPE", StringComparison.Ordinal)), Is.Unique);
    }

    [Test]
    public async Task OpenApi_Document_DescribesEveryEndpointInSnakeCase()
    {
        JsonElement document = (await Service.GetAsync("/openapi/v1.json")).Json;

        Assert.That(document.GetProperty("paths").EnumerateObject().Select(path => path.Name), Is.SupersetOf(new[]
        {
            "/v1/chat/completions", "/v1/completions", "/v1/models", "/v1/models/{name}", "/tokenize", "/detokenize", "/health", "/health/ready", "/health/live", "/metrics",
            "/v1/chat/completions/input_tokens", "/apply-template", "/props", "/slots",
        }));
        JsonElement chat = document.GetProperty("components").GetProperty("schemas").GetProperty("ChatCompletionRequest").GetProperty("properties");
        Assert.That(chat.TryGetProperty("max_completion_tokens", out _), Is.True, chat.GetRawText());
    }

    [Test]
    public async Task Page_Root_IsServedWithAPolicy()
    {
        using HttpResponseMessage page = await Service.Client.GetAsync(new Uri("/", UriKind.Relative));
        using HttpRequestMessage again = new(HttpMethod.Get, "/index.html");
        again.Headers.IfNoneMatch.Add(page.Headers.ETag!);
        using HttpResponseMessage unchanged = await Service.Client.SendAsync(again);
        using HttpRequestMessage onlyHeaders = new(HttpMethod.Head, "/");
        using HttpResponseMessage headers = await Service.Client.SendAsync(onlyHeaders);

        Assert.That(page.Content.Headers.ContentType!.MediaType, Is.EqualTo("text/html"));
        Assert.That(page.Headers.GetValues("Content-Security-Policy").Single(), Does.StartWith("default-src 'none'"));
        Assert.That(unchanged.StatusCode, Is.EqualTo(HttpStatusCode.NotModified));
        Assert.That(headers.StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task UnknownAddressAndMethod_AreErrorsInOpenAIsForm()
    {
        Reply address = await Service.GetAsync("/v2/everything"), method = await Service.GetAsync("/v1/chat/completions");

        Assert.That((address.Status, address.ErrorCode), Is.EqualTo((HttpStatusCode.NotFound, "not_found")));
        Assert.That((method.Status, method.ErrorCode), Is.EqualTo((HttpStatusCode.MethodNotAllowed, "method_not_allowed")));
    }
}
