using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using OnnxVlm.Hub;
using OnnxVlm.Hub.Tests.Support;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests.Security;

/// <summary>Downloads of models: who may, what, and how many at a time. The hub is a fake one on loopback.</summary>
internal sealed class DownloadAttackTests
{
    private const string Id = "someone/Tiny-VLM";

    // With the precision that it gets.
    private const string Served = $"{Id}:int8";

    private string _folder = "";
    private FakeHub _hub = null!;

    [SetUp]
    public async Task StartHubAsync()
    {
        _folder = Directory.CreateTempSubdirectory("onnxvlm-downloads-").FullName;
        FakeRepository repository = new(Id, Path.Combine(Nano.Root, "tests", "data", "neo"));
        repository.Files.Remove("README.md");
        _hub = await FakeHub.StartAsync(repository);
    }

    [TearDown]
    public async Task StopHubAsync()
    {
        await _hub.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public async Task Download_PlannedAndConfirmed_IsServed()
    {
        await using TestService service = await StartAsync("AllowDownloads=true");
        Reply plan = await service.PostAsync("/v1/downloads/plan", new { model = Id });
        Assert.That(plan.Status, Is.EqualTo(HttpStatusCode.OK), plan.Text);
        Assert.That((plan.Json.GetProperty("model").GetString(), plan.Json.GetProperty("license").GetString(), plan.Json.GetProperty("is_served").GetBoolean()), Is.EqualTo((Served, "apache-2.0", false)));
        Assert.That(plan.Json.GetProperty("download_bytes").GetInt64(), Is.Positive);
        Reply started = await service.PostAsync("/v1/downloads", new { plan = plan.Json.GetProperty("plan").GetString() });
        Assert.That((started.Status, started.Json.GetProperty("model").GetString()), Is.EqualTo((HttpStatusCode.OK, Served)), started.Text);

        Reply done = await EndAsync(service);
        Assert.That(done.Json.GetProperty("state").GetString(), Is.EqualTo("done"), done.Text);
        Assert.That((await service.GetAsync("/v1/models")).Text, Does.Contain($"\"{Served}\""));
        Assert.That(Directory.EnumerateFiles(_folder, "model.onnx", SearchOption.AllDirectories).Count(), Is.EqualTo(1));
        Assert.That((await service.PostAsync("/v1/downloads", new { plan = plan.Json.GetProperty("plan").GetString() })).ErrorCode, Is.EqualTo("plan_not_found"), "a plan is used once");
    }

    [Test]
    public async Task SwitchedOff_AsByDefault_NothingIsAskedOfTheHub()
    {
        await using TestService service = await StartAsync();
        Assert.That((await service.GetAsync("/v1/downloads")).Text, Is.EqualTo("""{"allowed":false,"state":"none"}"""));
        foreach (string path in new[] { "/v1/downloads/plan", "/v1/downloads" })
        {
            Reply reply = await service.PostAsync(path, new { model = Id });
            Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.Forbidden, "downloads_not_allowed")), path);
        }
        Assert.That((await DeleteAsync(service)).Status, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That(_hub.Requests, Is.Empty);
    }

    [Test]
    public async Task WithoutTheKey_OrWithAnothersPlan_IsRefused()
    {
        await using TestService service = await StartAsync("AllowDownloads=true", "ApiKeys:0=one", "ApiKeys:1=two");
        Assert.That((await service.PostAsync("/v1/downloads/plan", new { model = Id })).Status, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That((await service.GetAsync("/v1/downloads")).Status, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(_hub.Requests, Is.Empty);

        string plan = await PlanAsync(service, "one");
        Assert.That((await service.PostAsync("/v1/downloads", new { plan }, "two")).ErrorCode, Is.EqualTo("plan_not_found"));
        using SemaphoreSlim gate = Hold();
        Assert.That((await service.PostAsync("/v1/downloads", new { plan }, "one")).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await service.GetAsync("/v1/downloads", "two")).Text, Is.EqualTo("""{"allowed":true,"state":"running"}"""), "what another key downloads is not told");
        Assert.That((await DeleteAsync(service, "two")).ErrorCode, Is.EqualTo("download_not_found"));
        Assert.That((await DeleteAsync(service, "one")).Status, Is.EqualTo(HttpStatusCode.OK));
        gate.Release(100);
        Assert.That((await EndAsync(service, "one")).Json.GetProperty("state").GetString(), Is.EqualTo("cancelled"));
        Assert.That((await service.GetAsync("/v1/models", "one")).Text, Does.Not.Contain(Id));
    }

    [Test]
    public async Task Second_WhileOneRuns_IsRefused()
    {
        await using TestService service = await StartAsync("AllowDownloads=true");
        string first = await PlanAsync(service), second = await PlanAsync(service);
        using SemaphoreSlim gate = Hold();
        Assert.That((await service.PostAsync("/v1/downloads", new { plan = first })).Status, Is.EqualTo(HttpStatusCode.OK));
        Reply reply = await service.PostAsync("/v1/downloads", new { plan = second });
        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.Conflict, "download_busy")));
        gate.Release(100);
        Assert.That((await EndAsync(service)).Json.GetProperty("state").GetString(), Is.EqualTo("done"));
    }

    [TestCase("../../etc/passwd")]
    [TestCase("/etc/passwd")]
    [TestCase("someone/..")]
    [TestCase("https://elsewhere.example/someone/model")]
    [TestCase("someone/Tiny-VLM@../../x")]
    [TestCase("someone/Tiny\nVLM")]
    [TestCase("")]
    [TestCase(null)]
    public async Task Name_ThatIsNone_IsRefusedBeforeTheHubIsAsked(string? model)
    {
        await using TestService service = await StartAsync("AllowDownloads=true");
        Reply reply = await service.PostAsync("/v1/downloads/plan", new { model });
        Assert.That((reply.Status, reply.ErrorParam), Is.EqualTo((HttpStatusCode.BadRequest, "model")), reply.Text);
        Assert.That(_hub.Requests, Is.Empty);
    }

    [Test]
    public async Task Name_OfNoModel_NotFoundAndNoFolderIsTold()
    {
        await using TestService service = await StartAsync("AllowDownloads=true");
        Reply reply = await service.PostAsync("/v1/downloads/plan", new { model = "someone/else" });
        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.NotFound, "model_not_found")), reply.Text);
        Assert.That(reply.Text, Does.Not.Contain(_folder));
        Assert.That((await service.PostAsync("/v1/downloads/plan", new { model = new string('a', 100_000) + "/b" })).Status, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That((await service.PostAsync("/v1/downloads", new { plan = "00" })).ErrorCode, Is.EqualTo("plan_not_found"));
        Assert.That((await service.PostAsync("/v1/downloads", new { model = Id })).ErrorCode, Is.EqualTo("unknown_parameter"), "never without a plan");
    }

    // What a page of another origin can send without asking first.
    [TestCase("text/plain")]
    [TestCase("application/x-www-form-urlencoded")]
    [TestCase("multipart/form-data")]
    public async Task ForeignPage_SimpleRequest_IsRefused(string type)
    {
        await using TestService service = await StartAsync("AllowDownloads=true");
        foreach (string path in new[] { "/v1/downloads/plan", "/v1/downloads" })
        {
            using StringContent content = new($"{{\"model\":\"{Id}\"}}", Encoding.UTF8);
            content.Headers.ContentType = new MediaTypeHeaderValue(type);
            using HttpResponseMessage response = await service.Client.PostAsync(path, content);
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.UnsupportedMediaType), path);
        }
        Assert.That(_hub.Requests, Is.Empty);
    }

    private Task<TestService> StartAsync(params string[] settings) => TestService.StartAsync(
        new ScriptedLoader(["Hello"]), services => services.AddSingleton<Func<ModelHub>>(() => new ModelHub(new ModelHubOptions
        {
            Endpoint = _hub.Endpoint, ModelsFolder = Path.Combine(_folder, "models"), CacheFolder = Path.Combine(_folder, "cache"), Token = null,
        })), settings);

    private static async Task<string> PlanAsync(TestService service, string? key = null) =>
        (await service.PostAsync("/v1/downloads/plan", new { model = Id }, key)).Json.GetProperty("plan").GetString()!;

    // From now on the weights wait until they are let through.
    private SemaphoreSlim Hold()
    {
        SemaphoreSlim gate = new(0);
        _hub.Instead = async (context, request) =>
        {
            if (request.IsStorage)
                await Task.WhenAny(gate.WaitAsync(), Task.Delay(Timeout.Infinite, context.RequestAborted));
            return false;
        };
        return gate;
    }

    private static async Task<Reply> EndAsync(TestService service, string? key = null)
    {
        for (int i = 0; i < 600; i++)
        {
            Reply reply = await service.GetAsync("/v1/downloads", key);
            if (reply.Json.GetProperty("state").GetString() != "running")
                return reply;
            await Task.Delay(100);
        }
        throw new TimeoutException("The download has no end.");
    }

    private static async Task<Reply> DeleteAsync(TestService service, string? key = null)
    {
        using HttpRequestMessage request = new(HttpMethod.Delete, "/v1/downloads");
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using HttpResponseMessage response = await service.Client.SendAsync(request);
        return await Reply.ReadAsync(response);
    }
}
