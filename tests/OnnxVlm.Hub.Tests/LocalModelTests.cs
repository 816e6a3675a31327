using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using OnnxVlm.Export;
using OnnxVlm.Export.Streaming;
using OnnxVlm.Hub.Local;
using OnnxVlm.Hub.Tests.Support;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Hub.Tests;

/// <summary>Models on this machine: interrupted, pulled twice at once, listed, removed, renewed.</summary>
[TestFixture]
internal sealed class LocalModelTests : HubFixture
{
    [Test]
    public async Task Pull_Twice_ReadsTheNetworkOnce()
    {
        LocalModel first = await PullAsync();
        int requests = Fake.Requests.Count;
        LocalModel second = await PullAsync();
        Assert.That(second.Folder, Is.EqualTo(first.Folder).And.EqualTo(Path.Combine(Models, "someone", "Tiny-VLM", "int8")));
        Assert.That(Fake.Requests, Has.Count.EqualTo(requests));
    }

    [Test]
    public async Task Pull_Interrupted_ListsAsPartialAndGoesOn()
    {
        using CancellationTokenSource stop = new();
        Recorder recorder = new() { Then = progress => { if (progress.Stage == PullStage.Downloading) stop.Cancel(); } };
        Assert.That(() => PullAsync(progress: recorder, cancellationToken: stop.Token), Throws.InstanceOf<OperationCanceledException>());
        using ModelHub hub = CreateHub();
        LocalModel partial = hub.List().Single();
        Assert.That((partial.State, partial.Reference.ToString()), Is.EqualTo((LocalModelState.Partial, $"{Id}:int8")));
        Assert.That(hub.Find(ModelReference.Parse(Id)), Is.Null);
        Assert.That(Directory.Exists(partial.Folder), Is.False);

        LocalModel model = await PullAsync();

        ExpectExportOf(model, Precision.Int8, ModelManifest.FileName);
        Assert.That(hub.List().Single().State, Is.EqualTo(LocalModelState.Ready));
    }

    [Test]
    public async Task Verify_ModelOfAnInterruptedPull_TakesTheMarkOff()
    {
        int answers = 0;
        Fake.Instead = async (context, request) =>
        {
            if (!request.IsStorage || Interlocked.Increment(ref answers) < 4)
                return false;
            await FakeHub.RefuseAsync(context, 503, null, "down");
            return true;
        };
        Assert.That(() => PullAsync(), Throws.TypeOf<ModelHubException>());
        Fake.Instead = null;
        LocalModel model = await PullAsync();
        using ModelHub hub = CreateHub();

        // Both shards are one piece each, so that the state says: one is whole.
        if (model.Source!.Unverified is not null)
            await hub.VerifyAsync(model);
        ExpectExportOf(hub.Find(model.Reference)!, Precision.Int8);

        byte[] weights = File.ReadAllBytes(Path.Combine(model.Folder, "model.onnx.data"));
        weights[4096] ^= 1;
        File.WriteAllBytes(Path.Combine(model.Folder, "model.onnx.data"), weights);
        Assert.That(() => hub.VerifyAsync(model), Throws.TypeOf<ModelLoadException>().With.Message.Contains("differs from the checkpoint"));
    }

    [Test]
    public async Task Pull_TwoAtOnce_OneWorksAndTheOtherWaits()
    {
        TaskCompletionSource begun = new(), goOn = new();
        Fake.Instead = async (_, request) =>
        {
            if (request.IsStorage && Fake.Requests.Count(other => other.IsStorage) == 3)
            {
                begun.TrySetResult();
                await goOn.Task;
            }

            return false;
        };
        Task<LocalModel> first = PullAsync();
        await begun.Task;
        Recorder recorder = new() { Then = progress => { if (progress.Note?.StartsWith("another process", StringComparison.Ordinal) == true) goOn.TrySetResult(); } };
        LocalModel[] models = await Task.WhenAll(first, PullAsync(progress: recorder));
        Assert.That(models[0].Folder, Is.EqualTo(models[1].Folder));
        Assert.That(recorder.Notes, Has.Some.EqualTo("another process is pulling this model; waiting for it"));
        ExpectExportOf(models[0], Precision.Int8);

        // Both have read the small files and the headers, and one the weights.
        long weights = Repository.Files.Where(file => FakeRepository.IsLarge(file.Key)).Sum(file => file.Value.Length), small = Repository.Files.Values.Sum(content => content.Length) - weights;
        Assert.That(Fake.BytesSent, Is.LessThan(weights + (4 * 100_000) + (2 * small) + 1));
    }

    [Test]
    public async Task Remove_ReadyAndPartial_LeavesNothing()
    {
        await PullAsync();
        await PullAsync(options: new PullOptions { Precision = Precision.Int4 });
        using CancellationTokenSource stop = new();
        Recorder recorder = new() { Then = progress => { if (progress.Stage == PullStage.Downloading) stop.Cancel(); } };
        Assert.That(() => PullAsync(options: new PullOptions { Precision = Precision.Fp32 }, progress: recorder, cancellationToken: stop.Token), Throws.InstanceOf<OperationCanceledException>());
        using ModelHub hub = CreateHub();
        Assert.That(hub.List().Select(model => model.Reference.Variant), Is.EqualTo(new[] { "fp32", "int4", "int8" }));

        Assert.That(hub.Remove(ModelReference.Parse(Id + ":int4")), Has.Count.EqualTo(1));
        Assert.That(hub.List().Select(model => model.State), Is.EqualTo(new[] { LocalModelState.Partial, LocalModelState.Ready }));
        Assert.That(hub.Remove(ModelReference.Parse(Id)), Has.Count.EqualTo(2));
        Assert.That(hub.Remove(ModelReference.Parse(Id)), Is.Empty);
        Assert.That(Directory.EnumerateFileSystemEntries(Models), Is.Empty);
    }

    [Test]
    public async Task Pull_DiskTooSmall_RefusedBeforeTheFirstByteOfWeights()
    {
        using ModelHub hub = CreateHub();
        PullPlan plan = await hub.PlanAsync(ModelReference.Parse(Id));
        long sent = Fake.BytesSent;
        Assert.That(plan.FitsDisk, Is.True);
        ModelHubException? exception = await Assert.ThrowsAsync<ModelHubException>(() => hub.PullAsync(plan with { FreeDiskBytes = 1 << 20 }));
        Assert.That(exception!.Error, Is.EqualTo(ModelHubError.DiskTooSmall));
        Assert.That(exception.Message, Does.Contain("needs 0.1 GB").And.Contains("0.0 GB free; make room"));
        Assert.That(Fake.BytesSent, Is.EqualTo(sent));
        Assert.That(hub.List(), Is.Empty);
    }

    [Test]
    public async Task Pull_ModelsFolderCannotBeWritten_SaysWhatToDo()
    {
        File.WriteAllText(Models, "a file in the way");
        await RefusesAsync(ModelHubError.Other, "cannot be written");
    }

    [Test]
    public async Task Upgrade_FolderOfAnotherFormat_PullsTheSameCommitAgain()
    {
        LocalModel model = await PullAsync(options: new PullOptions { Precision = Precision.Int4, BlockSize = 64 });
        byte[] weights = File.ReadAllBytes(Path.Combine(model.Folder, "model.onnx.data"));
        string path = Path.Combine(model.Folder, ModelManifest.FileName);
        byte[] manifest = File.ReadAllBytes(path);
        JsonNode json = JsonNode.Parse(manifest)!;
        json["format_version"] = 0;
        File.WriteAllText(path, json.ToJsonString());
        File.WriteAllText(Path.Combine(model.Folder, "notes.txt"), "mine");
        using ModelHub hub = CreateHub();
        Assert.That(hub.List().Single().State, Is.EqualTo(LocalModelState.Outdated));

        Assert.That(await hub.UpgradeAsync(model.Folder), Is.True);

        Assert.That(File.ReadAllBytes(path), Is.EqualTo(manifest));
        Assert.That(File.ReadAllBytes(Path.Combine(model.Folder, "model.onnx.data")), Is.EqualTo(weights));
        Assert.That(File.Exists(Path.Combine(model.Folder, "notes.txt")), Is.True);
        Assert.That(await hub.UpgradeAsync(model.Folder), Is.False);
    }

    [Test]
    public async Task Upgrade_FolderOfNoCommit_SaysSo()
    {
        string folder = Path.Combine(Folder, "mine");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, ModelManifest.FileName), """{"format_version": 0, "precision": "int4", "source": {"name": "mine", "revision": "sha256:1"}}""");
        using ModelHub hub = CreateHub();
        ModelHubException? exception = await Assert.ThrowsAsync<ModelHubException>(() => hub.UpgradeAsync(folder));
        Assert.That(exception!.Message, Does.Contain("names no commit of a model on the hub").And.Contains("export it again"));
    }

    [Test]
    public async Task Resolve_ByDependencyInjection_PullsOnlyWhereItIsAllowed()
    {
        ModelHubOptions options = new(name => Environment.GetValueOrDefault(name));
        await using ServiceProvider strict = new ServiceCollection().AddModelHub(options).BuildServiceProvider();
        ModelHubException? exception = await Assert.ThrowsAsync<ModelHubException>(async () => await strict.GetRequiredService<IModelResolver>().ResolveAsync(Id));
        Assert.That(exception!.Error, Is.EqualTo(ModelHubError.NotPulled));
        Assert.That(exception.Message, Does.Contain($"onnxvlm pull {Id}"));

        await using ServiceProvider generous = new ServiceCollection().AddModelHub(options with { PullsMissing = true }).BuildServiceProvider();
        string folder = await generous.GetRequiredService<IModelResolver>().ResolveAsync(Id);
        Assert.That(ModelManifest.Load(folder).Source.Name, Is.EqualTo(Id));
        Assert.That(await strict.GetRequiredService<IModelResolver>().ResolveAsync(Id.ToUpperInvariant()), Is.EqualTo(folder));
    }

    [Test]
    public async Task Lock_ProcessThatHoldsIt_IsNotMistakenForAFolderThatCannotBeWritten()
    {
        string folder = Path.Combine(Models, "a", "b", "int4");
        using IDisposable first = await ModelStore.LockAsync(folder, () => Assert.Fail("nobody holds it"), CancellationToken.None);
        using CancellationTokenSource stop = new();
        int waits = 0;
        Assert.That(
            () => ModelStore.LockAsync(folder, () => { waits++; stop.Cancel(); }, stop.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(waits, Is.EqualTo(1));
    }

    [Test]
    public void PartialFolder_OfAModel_IsHiddenBesideIt() =>
        Assert.That(StreamedCheckpoint.PartialFolderOf(Path.Combine(Models, "a", "b", "int4")), Is.EqualTo(Path.Combine(Models, "a", "b", ".int4.partial")));
}
