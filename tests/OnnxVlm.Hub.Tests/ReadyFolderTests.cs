using OnnxVlm.Hub.Tests.Support;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Hub.Tests;

/// <summary>A repository that holds a finished model folder: it is downloaded as it is.</summary>
[TestFixture]
internal sealed class ReadyFolderTests : HubFixture
{
    protected override string Checkpoint => Path.Combine(Root, "onnx-models", "nano");

    [Test]
    public async Task Pull_ModelFolder_IsDownloadedAsItIs()
    {
        Recorder recorder = new();
        LocalModel model = await PullAsync(progress: recorder);
        var manifest = ModelManifest.Load(model.Folder);
        manifest.VerifyFiles(model.Folder);
        Assert.That(model.Reference.Variant, Is.EqualTo(manifest.Precision));
        Assert.That(Directory.EnumerateFiles(model.Folder).Select(path => Path.GetFileName(path)), Is.EquivalentTo(manifest.Files.Keys.Append(ModelManifest.FileName)));
        foreach (string path in Directory.EnumerateFiles(model.Folder))
            Assert.That(File.ReadAllBytes(path), Is.EqualTo(Repository.Files[Path.GetFileName(path)]), path);
        Assert.That(Directory.EnumerateDirectories(Path.GetDirectoryName(model.Folder)!, ".*"), Is.Empty);
        Assert.That(recorder.All.Where(progress => progress.Stage == PullStage.Downloading).Select(progress => progress.BytesDone), Is.Ordered);
    }

    [Test]
    public async Task Pull_ModelFolderInterrupted_GoesOn()
    {
        Fake.CutsAfterBytes = 3_000_000;
        int answers = 0;
        Fake.Instead = async (context, request) =>
        {
            if (!request.IsStorage || Interlocked.Increment(ref answers) < 3)
                return false;
            await FakeHub.RefuseAsync(context, 503, null, "down");
            return true;
        };
        Assert.That(() => PullAsync(), Throws.TypeOf<ModelHubException>());
        using ModelHub hub = CreateHub();
        Assert.That(hub.List().Single().State, Is.EqualTo(LocalModelState.Partial));
        Fake.Instead = null;
        Fake.CutsAfterBytes = null;
        LocalModel model = await PullAsync();
        ModelManifest.Load(model.Folder).VerifyFiles(model.Folder);
    }

    [Test]
    public async Task Pull_FileThatIsNotTheOneOfTheManifest_Refused()
    {
        Repository.Files["tokenizer.json"] = [.. Repository.Files["tokenizer.json"], (byte)' '];
        await RefusesAsync(ModelHubError.Damaged, "tokenizer.json: expected SHA-256");
    }

    [Test]
    public async Task Pull_DamagedOnTheWay_Refused()
    {
        Fake.Damage = (_, _, bytes) => bytes[0] ^= 1;
        await RefusesAsync(ModelHubError.Damaged, "model.onnx.data: expected SHA-256");
    }

    [Test]
    public async Task Pull_FileOfTheManifestMissing_NamesIt()
    {
        Repository.Files.Remove("tokenizer_config.json");
        await RefusesAsync(ModelHubError.Damaged, "has no file tokenizer_config.json, which its onnxvlm.json names");
    }

    [Test]
    public Task Pull_OtherVariant_SaysThatThereIsNone() => RefusesAsync(ModelHubError.NotFound, "is a finished model folder in fp32, and cannot be had in int4", Id + ":int4");
}
