using OnnxVlm.ModelFolder;

namespace OnnxVlm.Tests.ModelFolder;

[TestFixture]
public sealed class VerifiedFilesTests
{
    private string _folder = null!;
    private string _file = null!;

    [SetUp]
    public void SetUp()
    {
        _folder = Directory.CreateTempSubdirectory("onnxvlm-verified-").FullName;
        _file = Path.Combine(_folder, "weights");
        File.WriteAllText(_file, "0123456789");
    }

    [TearDown]
    public void TearDown() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Contains_FileThatWasAdded_True()
    {
        VerifiedFiles known = new(Path.Combine(_folder, "notes"));
        Assert.That(known.Contains(_file, "aa"), Is.False);
        known.Add(_file, VerifiedFiles.Describe(_file, "aa"));
        Assert.That(known.Contains(_file, "aa"), Is.True);
        Assert.That(known.Contains(_file, "bb"), Is.False, "another hash");
    }

    [Test]
    public void Contains_FileThatChanged_False()
    {
        VerifiedFiles known = new(Path.Combine(_folder, "notes"));
        known.Add(_file, VerifiedFiles.Describe(_file, "aa"));
        File.WriteAllText(_file, "0123456780");
        File.SetLastWriteTimeUtc(_file, DateTime.UtcNow.AddSeconds(2));
        Assert.That(known.Contains(_file, "aa"), Is.False);
    }

    [Test]
    public void Add_NoPlaceForNotes_RemembersNothing()
    {
        VerifiedFiles nowhere = new(null), file = new(_file);
        nowhere.Add(_file, VerifiedFiles.Describe(_file, "aa"));
        file.Add(_file, VerifiedFiles.Describe(_file, "aa"));
        Assert.That(nowhere.Contains(_file, "aa"), Is.False);
        Assert.That(file.Contains(_file, "aa"), Is.False);
    }

    [Test]
    public void VerifyWhileLoading_LargeFileChangedAfterwards_FailsAgain()
    {
        const int sizeBytes = 65 << 20;
        VerifiedFiles known = new(Path.Combine(_folder, "notes"));
        string data = Path.Combine(_folder, "model.onnx.data");
        using (FileStream stream = File.Create(data))
            stream.SetLength(sizeBytes);
        foreach (string name in new[] { "model.onnx", "genai_config.json" })
            File.WriteAllText(Path.Combine(_folder, name), name);
        ModelManifest manifest = Manifest(_folder);

        Assert.That(() => manifest.VerifyFilesWhileLoadingAsync(_folder, known, default).Wait(TimeSpan.FromMinutes(1)), Is.True);
        Assert.That(manifest.VerifyFilesWhileLoadingAsync(_folder, known, default), Is.SameAs(Task.CompletedTask), "nothing is read a second time");

        using (FileStream stream = File.OpenWrite(data))
            stream.WriteByte(1);
        File.SetLastWriteTimeUtc(data, DateTime.UtcNow.AddSeconds(2));
        Assert.That(
            async () => await manifest.VerifyFilesWhileLoadingAsync(_folder, known, default).ConfigureAwait(false),
            Throws.TypeOf<ModelLoadException>().With.Message.Contains("model.onnx.data: expected SHA-256"));
    }

    private static ModelManifest Manifest(string folder) => new()
    {
        FormatVersion = ModelManifest.CurrentFormatVersion,
        Architecture = "unified_decoder",
        Source = new ModelSource { Name = "x", Revision = "y" },
        Precision = "fp32",
        ContextLength = 8,
        VocabularySize = 8,
        EndTokenIds = [1],
        Image = new ImageRules
        {
            PatchSize = 4,
            PatchLayout = PatchLayout.RowColumnChannel,
            Resize = new ResizeRule { Rule = ResizeMode.Fit, Filter = ResizeFilter.Bilinear, MaxPatches = 4 },
            Padding = new PaddingRule { Mode = PaddingMode.Edge },
            HasPositions = false,
            Tokens = new ImageTokens { Placeholder = 2 },
        },
        Files = ModelManifest.RequiredFiles.ToDictionary(name => name, name => ModelManifest.HashFile(Path.Combine(folder, name))),
    };
}
