using System.Diagnostics;
using System.Net;
using OnnxVlm.Server.Admission;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Models;
using OnnxVlm.Server.Tests.Support;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Server.Tests;

/// <summary>More requests than can run: the queue, its order and its end; several models in a memory budget; stopping.</summary>
internal sealed class LoadTests
{
    [Test]
    public async Task Queue_Full_Is429WithRetryAfter()
    {
        Gate gate = new();
        await using TestService service = await TestService.StartAsync(gate.Loader, "MaxRunning=1", "MaxWaiting=1");
        Task<Reply> running = service.ChatAsync("a"), waiting = service.ChatAsync("b");
        Assert.That(() => service.Get<AdmissionQueue>().Waiting, Is.EqualTo(1).After(10_000, 10));

        Reply whole = await service.ChatAsync("c"), stream = await service.ChatAsync("c", new { stream = true });

        Assert.That((whole.Status, whole.ErrorCode, stream.Status), Is.EqualTo((HttpStatusCode.TooManyRequests, "queue_full", HttpStatusCode.TooManyRequests)));
        Assert.That(whole.Headers.RetryAfter!.Delta, Is.GreaterThanOrEqualTo(TimeSpan.FromSeconds(1)));
        Assert.That(whole.Error.GetProperty("type").GetString(), Is.EqualTo("rate_limit_error"));
        gate.Open();
        Assert.That((await running).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await waiting).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Queue_TurnThatDoesNotCome_Is429()
    {
        Gate gate = new();
        await using TestService service = await TestService.StartAsync(gate.Loader, "MaxRunning=1", "QueueTimeout=00:00:00.200");
        Task<Reply> running = service.ChatAsync("a");
        Assert.That(() => service.Get<AdmissionQueue>().Running, Is.EqualTo(1).After(10_000, 10));

        Reply late = await service.ChatAsync("b", new { stream = true });

        Assert.That((late.Status, late.ErrorCode), Is.EqualTo((HttpStatusCode.TooManyRequests, "queue_full")));
        Assert.That(service.Get<AdmissionQueue>().Waiting, Is.Zero);
        gate.Open();
        Assert.That((await running).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Queue_ClientGoesAwayWhileItWaits_LeavesItsPlace()
    {
        Gate gate = new();
        await using TestService service = await TestService.StartAsync(gate.Loader, "MaxRunning=1");
        Task<Reply> running = service.ChatAsync("a");
        Assert.That(() => service.Get<AdmissionQueue>().Running, Is.EqualTo(1).After(10_000, 10));
        using CancellationTokenSource leaves = new();
        Task<Reply> waiting = service.ChatAsync("b", null, leaves.Token);
        Assert.That(() => service.Get<AdmissionQueue>().Waiting, Is.EqualTo(1).After(10_000, 10));

        await leaves.CancelAsync();

        Assert.That(() => service.Get<AdmissionQueue>().Waiting, Is.Zero.After(10_000, 10));
        Assert.That(async () => await waiting, Throws.InstanceOf<OperationCanceledException>());
        gate.Open();
        await running;
        Assert.That(() => service.Get<AdmissionQueue>().Running, Is.Zero.After(10_000, 10));
    }

    [Test]
    public async Task Queue_ManySlowBodies_AreRefusedBeforeTheyAreRead()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "MaxRunning=1", "MaxWaiting=1");
        TaskCompletionSource release = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<HttpResponseMessage>[] slow = [.. Enumerable.Range(0, 18).Select(_ => service.Client.PostAsync(new Uri("/v1/chat/completions", UriKind.Relative), new SlowContent(release.Task)))];
        // 16 bodies of one client are read at the same time, and as many requests as may run and wait stand behind them.
        Assert.That(() => service.Get<BodyGate>().UnderWay, Is.EqualTo(16).After(10_000, 10));
        Assert.That(() => service.Get<BodyGate>().Waiting, Is.EqualTo(2).After(10_000, 10));

        Reply refused = await service.ChatAsync("hello");
        release.SetResult();
        HttpResponseMessage[] responses = await Task.WhenAll(slow);

        Assert.That((refused.Status, refused.ErrorCode), Is.EqualTo((HttpStatusCode.TooManyRequests, "queue_full")));
        Assert.That(responses.Select(response => response.StatusCode), Is.All.EqualTo(HttpStatusCode.BadRequest), "an empty body");
        Assert.That((await service.ChatAsync("hello")).Content, Is.EqualTo("x"));
    }

    [Test]
    public async Task Stream_ThatWaitsForItsTurn_StillGetsAStatusCode()
    {
        Gate gate = new();
        await using TestService service = await TestService.StartAsync(gate.Loader, "MaxRunning=1", "QueueTimeout=00:00:00.500", "KeepAlive=00:00:00.050");
        Task<Reply> running = service.ChatAsync("a");
        Assert.That(() => service.Get<AdmissionQueue>().Running, Is.EqualTo(1).After(10_000, 10));

        Assert.That((await service.ChatAsync("b", new { stream = true })).Status, Is.EqualTo(HttpStatusCode.TooManyRequests));

        gate.Open();
        await running;
    }

    [Test]
    public async Task Queue_ManyOfOneClientAndOneOfAnother_TakeTurns()
    {
        AdmissionQueue queue = new(new ServerOptions { MaxRunning = 1 });
        List<string> order = [];
        IDisposable first = await queue.EnterAsync("greedy", CancellationToken.None);
        Task[] waiting = [.. new[] { "greedy", "greedy", "greedy", "modest", "late" }.Select(RunAsync)];

        first.Dispose();
        await Task.WhenAll(waiting);

        Assert.That(order, Is.EqualTo(new[] { "greedy", "modest", "late", "greedy", "greedy" }));
        Assert.That((queue.Running, queue.Waiting), Is.EqualTo((0, 0)));

        async Task RunAsync(string client)
        {
            using IDisposable turn = await queue.EnterAsync(client, CancellationToken.None);
            order.Add(client);
        }
    }

    [Test]
    public async Task Queue_ManyThatComeAndGo_LosesNoTurn()
    {
        AdmissionQueue queue = new(new ServerOptions { MaxRunning = 3, MaxWaiting = 1000 });
        int running = 0, most = 0, done = 0;

        await Task.WhenAll(Enumerable.Range(0, 400).Select(i => Task.Run(async () =>
        {
            using CancellationTokenSource patience = new();
            if (i % 3 == 0)
                patience.CancelAfter(i % 17);
            try
            {
                using IDisposable turn = await queue.EnterAsync($"client {i % 7}", patience.Token);
                InterlockedMax(ref most, Interlocked.Increment(ref running));
                await Task.Delay(1, CancellationToken.None);
                Interlocked.Decrement(ref running);
            }
            catch (OperationCanceledException)
            {
            }
            Interlocked.Increment(ref done);
        })));

        Assert.That((done, queue.Running, queue.Waiting), Is.EqualTo((400, 0, 0)));
        Assert.That(most, Is.InRange(1, 3));

        static void InterlockedMax(ref int target, int value)
        {
            for (int seen = target; value > seen && Interlocked.CompareExchange(ref target, value, seen) != seen; seen = target)
            {
            }
        }
    }

    [Test]
    public async Task Stop_RunningAnswer_FinishesAndNewOnesAreTurnedAway()
    {
        Gate gate = new();
        await using TestService service = await TestService.StartAsync(gate.Loader, "MaxRunning=1");
        Task<Reply> running = service.ChatAsync("a", new { stream = true });
        Assert.That(() => service.Get<AdmissionQueue>().Running, Is.EqualTo(1).After(10_000, 10));
        Task<Reply> waiting = service.ChatAsync("b");
        Assert.That(() => service.Get<AdmissionQueue>().Waiting, Is.EqualTo(1).After(10_000, 10));

        Task stopping = service.StopAsync();
        Reply turnedAway = await waiting;
        Assert.That(service.Get<ServiceState>().IsReady, Is.False);
        gate.Open();
        Reply finished = await running;
        await stopping;

        Assert.That((turnedAway.Status, turnedAway.ErrorCode), Is.EqualTo((HttpStatusCode.ServiceUnavailable, "stopping")));
        Assert.That(finished.StreamedText(), Is.EqualTo("done"));
        Assert.That(finished.Events[^1], Is.EqualTo("[DONE]"));
        Assert.That(async () => await service.GetAsync("/health"), Throws.InstanceOf<HttpRequestException>());
    }

    [Test]
    public async Task Stop_AnswerThatDoesNotEnd_IsEndedAfterTheTimeout()
    {
        Gate gate = new();
        await using TestService service = await TestService.StartAsync(gate.Loader, "ShutdownTimeout=00:00:00.300");
        Task<Reply> running = service.ChatAsync("a");
        Assert.That(() => service.Get<AdmissionQueue>().Running, Is.EqualTo(1).After(10_000, 10));
        Stopwatch watch = Stopwatch.StartNew();

        await service.StopAsync();

        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(20)));
        Assert.That(async () => await running, Throws.InstanceOf<HttpRequestException>());
        Assert.That(() => gate.Loader.Model.LiveAnswers, Is.Zero.After(5000, 20));
    }

    [Test]
    public async Task Models_OverTheBudget_AreUnloadedLeastRecentlyUsedFirst()
    {
        CountingLoader loader = new();
        ServerOptions options = ThreeModels(loader, roomFor: 2);
        using ModelPool pool = Pool(options, loader);

        foreach (string name in new[] { "a", "b", "a", "c", "a", "b" })
            (await pool.RentAsync(pool.Find(name), CancellationToken.None)).Dispose();

        Assert.That(loader.Events, Is.EqualTo(new[] { "+a", "+b", "-b", "+c", "-c", "+b" }));
        Assert.That(pool.LoadedCount, Is.EqualTo(2));
    }

    [Test]
    public async Task Models_InUse_AreNotUnloaded()
    {
        CountingLoader loader = new();
        ServerOptions options = ThreeModels(loader, roomFor: 1);
        using ModelPool pool = Pool(options, loader);
        ModelLease a = await pool.RentAsync(pool.Find("a"), CancellationToken.None);

        Task<ModelLease> b = pool.RentAsync(pool.Find("b"), CancellationToken.None);
        await Task.Delay(100);
        Assert.That(loader.Events, Is.EqualTo(new[] { "+a" }));
        a.Dispose();
        (await b).Dispose();

        Assert.That(loader.Events, Is.EqualTo(new[] { "+a", "-a", "+b" }));
    }

    [Test]
    public async Task Models_InUseForLong_Are503()
    {
        CountingLoader loader = new();
        ServerOptions options = ThreeModels(loader, roomFor: 1);
        options.QueueTimeout = TimeSpan.FromMilliseconds(100);
        using ModelPool pool = Pool(options, loader);
        using ModelLease a = await pool.RentAsync(pool.Find("a"), CancellationToken.None);

        Assert.That(
            async () => await pool.RentAsync(pool.Find("b"), CancellationToken.None),
            Throws.InstanceOf<ApiException>().With.Property(nameof(ApiException.Status)).EqualTo(503).And.Property(nameof(ApiException.Code)).EqualTo("model_busy"));
    }

    [Test]
    public async Task Models_AskedForAtOnce_AreLoadedOnce()
    {
        CountingLoader loader = new();
        using ModelPool pool = Pool(ThreeModels(loader, roomFor: 3), loader);

        ModelLease[] leases = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(() => pool.RentAsync(pool.Find("a"), CancellationToken.None))));

        Assert.That(loader.Events, Is.EqualTo(new[] { "+a" }));
        foreach (ModelLease lease in leases)
            lease.Dispose();
    }

    [Test]
    public void Models_OneLargerThanTheBudget_IsRefusedAtTheStart()
    {
        CountingLoader loader = new();
        ServerOptions options = ThreeModels(loader, roomFor: 1);
        options.MemoryBudgetBytes = 1000;

        Assert.That(() => Pool(options, loader), Throws.InstanceOf<ModelLoadException>().With.Message.Contains("MemoryBudgetBytes"));
    }

    [Test]
    public async Task Models_TwoByName_AreServedAndListed()
    {
        await using TestService service = await TestService.StartAsync(null, "Models:1:Name=small", $"Models:1:Folder={Nano.Folder}", "Models:1:Device=Cpu", "MemoryBudgetBytes=600000000");
        Assert.That((await service.GetAsync("/v1/models")).Json.GetProperty("data").EnumerateArray().Select(card => card.GetProperty("loaded").GetBoolean()), Is.EqualTo(new[] { true, false }));

        Reply first = await service.ChatAsync("hello", new { max_tokens = 4 }), second = await service.ChatAsync("hello", new { max_tokens = 4, model = "small" });

        Assert.That(second.Content, Is.EqualTo(first.Content));
        Assert.That(second.Json.GetProperty("model").GetString(), Is.EqualTo("small"));
        Assert.That((await service.GetAsync("/v1/models")).Json.GetProperty("data").EnumerateArray().Select(card => card.GetProperty("loaded").GetBoolean()), Is.EqualTo(new[] { false, true }));
    }

    private static ModelPool Pool(ServerOptions options, IModelLoader loader) => new(options, loader, Microsoft.Extensions.Logging.Abstractions.NullLogger<ModelPool>.Instance);

    private static ServerOptions ThreeModels(CountingLoader loader, int roomFor)
    {
        ServerOptions options = new() { Models = [.. "abc".Select(name => new ModelOptions { Name = name.ToString(), Folder = Nano.Folder, CacheBytes = 0 })] };
        using (ModelPool pool = Pool(options, loader))
            options.MemoryBudgetBytes = (roomFor * pool.Entries[0].SizeBytes) + 1;
        return options;
    }

    /// <summary>A model whose one answer waits until the gate is opened.</summary>
    private sealed class Gate
    {
        private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ScriptedLoader Loader { get; }

        public Gate() => Loader = new ScriptedLoader(new ScriptedChatModel(["done"]) { Before = _open.Task });

        public void Open() => _open.SetResult();
    }

    /// <summary>A JSON body that does not come until it is released, and then is empty.</summary>
    private sealed class SlowContent : HttpContent
    {
        private readonly Task _release;

        public SlowContent(Task release)
        {
            _release = release;
            Headers.ContentType = new("application/json");
        }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            // Blanks, faster than the rate below which Kestrel gives up on a body.
            byte[] blanks = [.. Enumerable.Repeat((byte)' ', 1024)];
            while (!_release.IsCompleted)
            {
                await stream.WriteAsync(blanks);
                await stream.FlushAsync();
                await Task.WhenAny(_release, Task.Delay(500));
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    private sealed class CountingLoader : IModelLoader
    {
        public List<string> Events { get; } = [];

        public LoadedModel Load(ModelOptions options)
        {
            Events.Add($"+{options.Name}");
            return new LoadedModel(new ScriptedLoader(["x"]).Load(options).Client, new Unload(() => Events.Add($"-{options.Name}")));
        }

        private sealed class Unload(Action unload) : IDisposable
        {
            public void Dispose() => unload();
        }
    }
}
