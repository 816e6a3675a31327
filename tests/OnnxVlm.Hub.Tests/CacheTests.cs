using OnnxVlm.Export;
using OnnxVlm.Hub.Tests.Support;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Hub.Tests;

/// <summary>Hugging Face's cache: written as its own client does, and used in place of the network.</summary>
[TestFixture]
internal sealed class CacheTests : HubFixture
{
    private string CachedModel => Path.Combine(Folder, "hf-home", "hub", "models--someone--Tiny-VLM");

    private string Snapshot => Path.Combine(CachedModel, "snapshots", Repository.Commit);

    [SetUp]
    public void GiveItATokenizer()
    {
        // Of a checkpoint without one nobody can tell whether the snapshot is whole.
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Root, "onnx-models", "nano", "hf")))
            Repository.Files[Path.GetFileName(path)] = File.ReadAllBytes(path);
        foreach (string shard in Repository.Files.Keys.Where(name => name.StartsWith("model-0", StringComparison.Ordinal) || name is "model.safetensors.index.json" or "added_tokens.json").ToList())
            Repository.Files.Remove(shard);
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Pull_KeepsCheckpoint_WritesTheLayoutOfTheClient(bool links)
    {
        if (!links)
            Environment["HF_HUB_DISABLE_SYMLINKS"] = "1";
        LocalModel model = await PullAsync(options: new PullOptions { KeepsCheckpoint = true });

        Assert.That(File.ReadAllText(Path.Combine(CachedModel, "refs", "main")), Is.EqualTo(Repository.Commit));
        foreach ((string path, byte[] content) in Repository.Files)
        {
            string file = Path.Combine(Snapshot, path), hash = FakeRepository.IsLarge(path) ? Repository.Sha256(path) : Repository.BlobId(path);
            Assert.That(File.ReadAllBytes(file), Is.EqualTo(content), path);
            Assert.That(new FileInfo(file).LinkTarget, Is.EqualTo(links ? Path.Combine("../../blobs", hash) : null), path);
            Assert.That(File.Exists(Path.Combine(CachedModel, "blobs", hash)), Is.EqualTo(links), path);
        }

        Assert.That(Directory.EnumerateFiles(Path.Combine(CachedModel, "blobs")).Select(Path.GetExtension), Is.All.Empty);
        ExpectExportOf(model, Precision.Int8, links ? [] : [ModelManifest.FileName]);
        Assert.That(model.Source!.Unverified, Is.EqualTo(links ? null : "no hash known"));
    }

    [Test]
    public async Task Pull_SnapshotIsThere_UsedWithoutTheNetwork()
    {
        await PullAsync(options: new PullOptions { KeepsCheckpoint = true });
        int requests = Fake.Requests.Count;
        Environment["HF_HUB_OFFLINE"] = "1";
        LocalModel model = await PullAsync(options: new PullOptions { Precision = Precision.Fp32 });
        Assert.That(Fake.Requests, Has.Count.EqualTo(requests));
        ExpectExportOf(model, Precision.Fp32);
    }

    [TestCase("model.safetensors")]
    [TestCase("tokenizer.json")]
    public async Task Pull_SnapshotWithAHole_IsNotTaken(string missing)
    {
        await PullAsync(options: new PullOptions { KeepsCheckpoint = true });
        File.Delete(Path.Combine(Snapshot, missing));
        int requests = Fake.Requests.Count;
        await PullAsync(options: new PullOptions { Precision = Precision.Fp32 });
        Assert.That(Fake.Requests, Has.Count.GreaterThan(requests));
    }

    [Test]
    public async Task Pull_ListOfTheClientNamesAMissingFile_SnapshotIsNotTaken()
    {
        await PullAsync(options: new PullOptions { KeepsCheckpoint = true });
        Directory.CreateDirectory(Path.Combine(CachedModel, "trees"));
        File.WriteAllText(Path.Combine(CachedModel, "trees", Repository.Commit + ".json"), """{"format_version": 1, "files": {"config.json": {"size": 1}, "chat_template.jinja": {"size": 1}}}""");
        int requests = Fake.Requests.Count;
        await PullAsync(options: new PullOptions { Precision = Precision.Fp32 });
        Assert.That(Fake.Requests, Has.Count.GreaterThan(requests));
    }

    [Test]
    public async Task Pull_KeepsCheckpoint_GoesOnWithWhatIsThere()
    {
        string unfinished = Path.Combine(CachedModel, "blobs", Repository.Sha256("model.safetensors") + ".onnxvlm-part");
        Directory.CreateDirectory(Path.GetDirectoryName(unfinished)!);
        byte[] weights = Repository.Files["model.safetensors"];
        File.WriteAllBytes(unfinished, weights[..(weights.Length / 2)]);
        LocalModel model = await PullAsync(options: new PullOptions { KeepsCheckpoint = true });
        Assert.That(Fake.BytesSent, Is.LessThan((weights.Length / 2) + 200_000));
        ExpectExportOf(model, Precision.Int8);
    }

    [Test]
    public async Task Pull_KeepsCheckpointWithADamagedBeginning_FindsItOut()
    {
        string unfinished = Path.Combine(CachedModel, "blobs", Repository.Sha256("model.safetensors") + ".onnxvlm-part");
        Directory.CreateDirectory(Path.GetDirectoryName(unfinished)!);
        File.WriteAllBytes(unfinished, new byte[5000]);
        ModelHubException? exception = await Assert.ThrowsAsync<ModelHubException>(() => PullAsync(options: new PullOptions { KeepsCheckpoint = true }));
        Assert.That(exception!.Error, Is.EqualTo(ModelHubError.Damaged));
        Assert.That(File.Exists(unfinished), Is.False);
        Assert.That(() => PullAsync(options: new PullOptions { KeepsCheckpoint = true }), Throws.Nothing);
    }
}
