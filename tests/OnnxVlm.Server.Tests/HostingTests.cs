using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Models;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests;

/// <summary>Starting, options, and what operators see.</summary>
internal sealed class HostingTests
{
    [TestCase("MaxRunning=0", "MaxRunning")]
    [TestCase("QueueTimeout=-00:00:01", "QueueTimeout")]
    [TestCase("MaxSchemaDepth=100", "MaxSchemaDepth")]
    [TestCase("Models:0:Threads=0", "Threads")]
    [TestCase("Models:1:Name=x", "Folder")]
    [TestCase("RemoteImages:MaxRedirects=99", "MaxRedirects")]
    [TestCase("ApiKeys:0= ", "ApiKeys")]
    public void Create_OptionOutOfRange_IsRefused(string setting, string why) =>
        Assert.That(() => OnnxVlmServer.Create(TestService.Settings(setting)), Throws.InstanceOf<OptionsValidationException>().With.Message.Contains(why));

    [TestCase("MaxWaitng=1", "MaxWaiting")]
    [TestCase("MaxWaiting:Seconds=1", "MaxWaiting")]
    [TestCase("Models:0:Thread=1", "Threads")]
    [TestCase("Images:MaxByts=1", "MaxBytes")]
    [TestCase("RemoteImages:Host=example.org", "Hosts")]
    [TestCase("Zzzzzzzzzzzzzzzzz=1", "MaxRunning")]
    public void Create_NameThatIsNoOption_IsRefusedWithTheNearestName(string setting, string nearest) =>
        Assert.That(() => OnnxVlmServer.Create(TestService.Settings(setting)), Throws.InstanceOf<OptionsValidationException>().With.Message.Contains(setting[..setting.IndexOf('=')]).And.Message.Contains(nearest));

    [Test]
    public async Task Start_PortInUse_IsToldBeforeAModelIsLoadedAndNotLogged()
    {
        await using TestService first = await TestService.StartAsync(new ScriptedLoader(["x"]));
        CountingLoader loader = new();
        MemoryLog log = new();

        await using WebApplication app = OnnxVlmServer.Create(TestService.Settings($"urls=http://127.0.0.1:{first.Address.Port}"), builder =>
        {
            builder.Logging.ClearProviders().AddProvider(log);
            builder.Services.AddSingleton<IModelLoader>(loader);
        });

        Assert.That(async () => await app.StartAsync(), Throws.InstanceOf<IOException>().With.Message.Contains($"http://127.0.0.1:{first.Address.Port} is in use"));
        Assert.That((loader.Count, log.Lines.Count(line => line.Contains("Exception", StringComparison.Ordinal))), Is.EqualTo((0, 0)), string.Join('\n', log.Lines));
    }

    [TestCase("https://127.0.0.1:0", "certificate")]
    [TestCase("http://127.0.0.1:99999", "address")]
    [TestCase("ftp://127.0.0.1:0", "address")]
    [TestCase("http://127.0.0.1:0/path", "address")]
    public async Task Start_AddressThatCannotBe_IsToldInOneLineBeforeAModelIsLoaded(string urls, string why)
    {
        CountingLoader loader = new();
        await using WebApplication app = OnnxVlmServer.Create(TestService.Settings($"urls={urls}", "ApiKeys:0=k"), builder =>
        {
            builder.Logging.ClearProviders();
            builder.Services.AddSingleton<IModelLoader>(loader);
        });

        Assert.That(async () => await app.StartAsync(), Throws.InvalidOperationException.With.Message.Contains(urls).And.Message.Contains(why).And.Message.Not.Contains('\n'));
        Assert.That(loader.Count, Is.Zero);
    }

    [Test]
    public async Task Create_EnvironmentAndSettings_AreBothHeardAndSettingsWin()
    {
        Environment.SetEnvironmentVariable("OnnxVlmServer__MaxWaiting", "5");
        Environment.SetEnvironmentVariable("OnnxVlmServer__MaxRunning", "6");
        try
        {
            await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "MaxRunning=7");

            ServerOptions options = service.Get<IOptions<ServerOptions>>().Value;
            Assert.That((options.MaxWaiting, options.MaxRunning), Is.EqualTo((5, 7)));
        }
        finally
        {
            Environment.SetEnvironmentVariable("OnnxVlmServer__MaxWaiting", null);
            Environment.SetEnvironmentVariable("OnnxVlmServer__MaxRunning", null);
        }
    }

    [Test]
    public void Start_DamagedModel_SaysWhatIsWrong()
    {
        string folder = Directory.CreateTempSubdirectory("onnxvlm-test-").FullName;
        try
        {
            foreach (string file in Directory.GetFiles(Nano.Folder))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
            File.AppendAllText(Path.Combine(folder, "tokenizer.json"), " ");

            Assert.That(
                async () => await TestService.StartAsync(null, "Models:1:Name=damaged", $"Models:1:Folder={folder}"),
                Throws.InstanceOf<ModelLoadException>().With.Message.Contains("tokenizer.json"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public async Task Answer_Traced_HasASpanWithCountsAndNothingThatWasSaid()
    {
        const string Secret = "a-secret-question";
        List<Activity> spans = [];
        using ActivityListener listener = new()
        {
            ShouldListenTo = source => source.Name is "Experimental.Microsoft.Extensions.AI" or "Microsoft.AspNetCore",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                lock (spans)
                    spans.Add(span);
            },
        };
        ActivitySource.AddActivityListener(listener);

        Reply reply = await SharedService.Service.ChatAsync(Secret, new { max_tokens = 3 });

        // The request's own span ends after its last byte has been sent.
        Assert.That(() => Of("Microsoft.AspNetCore"), Is.Not.Empty.After(5000, 20));
        Activity answer = Of("Experimental.Microsoft.Extensions.AI").Single(), request = Of("Microsoft.AspNetCore").Single(span => span.SpanId == answer.ParentSpanId);
        Assert.That(answer.DisplayName, Is.EqualTo("chat nano"));
        Assert.That(answer.GetTagItem("gen_ai.usage.output_tokens"), Is.EqualTo(reply.Json.GetProperty("usage").GetProperty("completion_tokens").GetInt64()));
        Assert.That(answer.TagObjects.Concat(request.TagObjects).Select(tag => $"{tag.Key}={tag.Value}"), Has.None.Contains(Secret));

        Activity[] Of(string source)
        {
            lock (spans)
                return [.. spans.Where(span => span.Source.Name == source)];
        }
    }

    private sealed class CountingLoader : IModelLoader
    {
        public int Count { get; private set; }

        public LoadedModel Load(ModelOptions options)
        {
            Count++;
            return new ScriptedLoader(["x"]).Load(options);
        }
    }

    [Test]
    public async Task Answer_Logged_IsALineWithCounts()
    {
        using HttpRequestMessage request = TestService.Request("/v1/chat/completions", TestService.Chat("hello", new { max_tokens = 2 }));
        request.Headers.Add("x-request-id", "find-me");

        using HttpResponseMessage response = await SharedService.Service.Client.SendAsync(request);

        Assert.That(SharedService.Service.Log.Lines, Has.Some.Matches<string>(line => line!.StartsWith("Information", StringComparison.Ordinal) && line.Contains("RequestId=find-me", StringComparison.Ordinal)
            && line.Contains("Model=nano", StringComparison.Ordinal) && line.Contains("CompletionTokens=", StringComparison.Ordinal)));
    }

    [Test]
    public async Task Otlp_EndpointInTheEnvironment_TurnsTheExportOn()
    {
        Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
        try
        {
            await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]));

            Assert.That(service.Services.GetService<OpenTelemetry.Trace.TracerProvider>(), Is.Not.Null);
            Assert.That((await service.ChatAsync("hello")).Content, Is.EqualTo("x"), "an exporter that reaches nobody harms nobody");
        }
        finally
        {
            Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT", null);
        }
        Assert.That(SharedService.Service.Services.GetService<OpenTelemetry.Trace.TracerProvider>(), Is.Null);
    }
}
