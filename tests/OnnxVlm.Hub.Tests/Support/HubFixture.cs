using System.Collections.Concurrent;
using OnnxVlm.Export;

namespace OnnxVlm.Hub.Tests.Support;

/// <summary>A fake hub, a folder of models and a cache of one test. Waiting takes no time, and what was waited for is kept.</summary>
internal abstract class HubFixture
{
    protected const string Id = "someone/Tiny-VLM";

    protected static string Root { get; } = FindRoot();

    protected string Folder { get; private set; } = "";

    protected FakeHub Fake { get; private set; } = null!;

    protected FakeRepository Repository { get; private set; } = null!;

    protected Dictionary<string, string> Environment { get; } = new(StringComparer.Ordinal);

    protected ConcurrentQueue<TimeSpan> Delays { get; } = [];

    protected string Models => Path.Combine(Folder, "models");

    /// <summary>The checkpoint in the repository: a tiny one of NEO, in two shards.</summary>
    protected virtual string Checkpoint => Path.Combine(Root, "tests", "data", "neo");

    [SetUp]
    public async Task StartAsync()
    {
        Folder = Directory.CreateTempSubdirectory("onnxvlm-hub-").FullName;
        Repository = new FakeRepository(Id, Checkpoint);
        Repository.Files.Remove("README.md");
        Fake = await FakeHub.StartAsync(Repository);
        Delays.Clear();
        Environment.Clear();
        Environment["HF_ENDPOINT"] = Fake.Endpoint.ToString();
        Environment["HF_HOME"] = Path.Combine(Folder, "hf-home");
        Environment["ONNXVLM_MODELS"] = Models;
    }

    [TearDown]
    public async Task StopAsync()
    {
        await Fake.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    protected ModelHub CreateHub() => new(new ModelHubOptions(name => Environment.GetValueOrDefault(name)), WaitAsync);

    protected async Task<LocalModel> PullAsync(string name = Id, PullOptions? options = null, IProgress<PullProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using ModelHub hub = CreateHub();
        return await hub.PullAsync(name, options, progress, cancellationToken);
    }

    /// <summary>Expects a pull to fail with one line that says what to do.</summary>
    protected async Task<ModelHubException> RefusesAsync(ModelHubError error, string message, string name = Id)
    {
        ModelHubException? exception = await Assert.ThrowsAsync<ModelHubException>(() => PullAsync(name));
        Assert.That(exception!.Message, Does.Contain(message).And.Not.Contains("\n").And.Contains(";"));
        Assert.That(exception.Error, Is.EqualTo(error));
        using ModelHub hub = CreateHub();
        Assert.That(hub.List().Where(model => model.State == LocalModelState.Ready), Is.Empty);
        return exception;
    }

    /// <summary>Expects a model folder to be what an export from disk makes.</summary>
    protected void ExpectExportOf(LocalModel model, Precision precision, params string[] except)
    {
        string snapshot = Path.Combine(Folder, "models--" + Id.Replace("/", "--", StringComparison.Ordinal), "snapshots", Repository.Commit), disk = Path.Combine(Folder, "disk");
        Directory.CreateDirectory(snapshot);
        foreach ((string path, byte[] content) in Repository.Files)
            File.WriteAllBytes(Path.Combine(snapshot, path), content);
        Exporter.Export(new ExportOptions { CheckpointFolder = snapshot, OutputFolder = disk, Precision = precision, Overwrite = true });
        string[] names = [.. Directory.EnumerateFiles(disk).Select(path => Path.GetFileName(path))];
        Assert.That(Directory.EnumerateFileSystemEntries(model.Folder).Select(path => Path.GetFileName(path)), Is.EquivalentTo(names));
        foreach (string name in names.Except(except))
            Assert.That(File.ReadAllBytes(Path.Combine(model.Folder, name)), Is.EqualTo(File.ReadAllBytes(Path.Combine(disk, name))), name);
        Assert.That(Directory.EnumerateDirectories(Path.GetDirectoryName(model.Folder)!, ".*"), Is.Empty, "nothing half is left");
    }

    private Task WaitAsync(TimeSpan delay, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Delays.Enqueue(delay);
        return Task.CompletedTask;
    }

    private static string FindRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "OnnxVlm.sln")))
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests run outside of the repository.");
        return folder;
    }
}
