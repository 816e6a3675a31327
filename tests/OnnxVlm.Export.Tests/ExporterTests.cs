using System.Security.Cryptography;
using System.Text.Json;
using OnnxVlm.Export.Onnx.Proto;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.Tests;

/// <summary>The model folder as a whole: its contents, and how it is written.</summary>
[TestFixture]
public sealed class ExporterTests : ExportFixture
{
    [SetUp]
    public void SetUp() => new TinyModel().Write(Folder["hf"]);

    [Test]
    public void Export_TinyModel_WritesFolderOfTheDesign()
    {
        ExportReport report = Exporter.Export(Options);
        Assert.That(
            Directory.GetFileSystemEntries(Folder["out"]).Select(Path.GetFileName),
            Is.EquivalentTo(new[] { "model.onnx", "model.onnx.data", "genai_config.json", "tokenizer.json", "tokenizer_config.json", "onnxvlm.json" }));
        Assert.That(report.SizeBytes, Is.EqualTo(new DirectoryInfo(Folder["out"]).EnumerateFiles().Sum(file => file.Length)));
        Assert.That(report.Parameters, Is.EqualTo(new TinyModel().Tensors().Values.Sum(tensor => tensor.Numbers.Length)));
        Assert.That(report.Quantized, Is.Empty);
    }

    [Test]
    public void Export_TinyModel_WritesManifest()
    {
        Exporter.Export(Options with { SourceName = "someone/tiny" });
        var manifest = ModelManifest.Load(Folder["out"]);
        manifest.VerifyFiles(Folder["out"]);
        Assert.Multiple(() =>
        {
            Assert.That(manifest.Architecture, Is.EqualTo("unified_decoder"));
            Assert.That(manifest.Precision, Is.EqualTo("fp32"));
            Assert.That(manifest.Source.Name, Is.EqualTo("someone/tiny"));
            Assert.That(manifest.Source.Revision,
                Is.EqualTo("sha256:" + Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(Folder["hf"], "model.safetensors"))))));
            Assert.That(manifest.ContextLength, Is.EqualTo(128));
            Assert.That(manifest.VocabularySize, Is.EqualTo(96));
            Assert.That(manifest.EndTokenIds, Is.EqualTo(new[] { TinyModel.EndToken }));
            Assert.That(manifest.Image.HasPositions, Is.True);
            Assert.That(manifest.Image.PatchSize, Is.EqualTo(4));
            Assert.That(manifest.Image.Resize, Is.EqualTo(
                new ResizeRule { Rule = ResizeMode.Fit, Filter = ResizeFilter.Bilinear, MaxPatches = 32, MaxRows = 6, MaxColumns = 7, MaxEnlargement = 1.5 }));
            Assert.That(manifest.Image.Tokens, Is.EqualTo(new ImageTokens { Placeholder = 2, RowEnd = 3, Begin = 4, End = 5 }));
            Assert.That(manifest.Files.Keys, Is.EquivalentTo(ModelManifest.RequiredFiles.Concat(ModelManifest.TokenizerFiles)));
        });
    }

    [Test]
    public void Export_HuggingFaceCache_TakesNameAndCommit()
    {
        string commit = new('a', 40), snapshot = Path.Combine(Folder.Path, "models--someone--tiny-vlm", "snapshots", commit);
        new TinyModel().Write(snapshot);
        Exporter.Export(Options with { CheckpointFolder = snapshot });
        Assert.That(ModelManifest.Load(Folder["out"]).Source, Is.EqualTo(new ModelSource { Name = "someone/tiny-vlm", Revision = commit }));
    }

    [Test]
    public void Export_GenerationConfig_GivesEndTokensAndSearch()
    {
        const string generation = """{"eos_token_id": [1, 7], "do_sample": true, "temperature": 0.6, "top_p": 0.95, "top_k": 20}""";
        File.WriteAllText(Path.Combine(Folder["hf"], "generation_config.json"), generation);
        Exporter.Export(Options);
        Assert.That(ModelManifest.Load(Folder["out"]).EndTokenIds, Is.EqualTo(new[] { 1, 7 }));
        Assert.That(ModelManifest.Load(Folder["out"]).Sampling, Is.EqualTo(new SamplingDefaults { Temperature = 0.6, TopP = 0.95, TopK = 20 }));
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder["out"], "genai_config.json")));
        Assert.That(json.RootElement.GetProperty("model").GetProperty("eos_token_id").GetRawText().Where(char.IsAsciiDigit), Is.EqualTo("17"));
        Assert.That(json.RootElement.GetProperty("search").GetProperty("temperature").GetDouble(), Is.EqualTo(0.6));
        Assert.That(json.RootElement.GetProperty("search").GetProperty("past_present_share_buffer").GetBoolean(), Is.True);
    }

    [Test]
    public void Export_Fp32_UsesFusedOperators()
    {
        Exporter.Export(Options);
        string[] ops = [.. Graph().Node.Select(node => node.OpType)];
        Assert.Multiple(() =>
        {
            Assert.That(ops.Count(op => op == "GroupQueryAttention"), Is.EqualTo(2));
            Assert.That(ops.Count(op => op == "SimplifiedLayerNormalization"), Is.EqualTo(1));
            Assert.That(ops.Count(op => op == "SkipSimplifiedLayerNormalization"), Is.EqualTo(4));
            Assert.That(ops.Count(op => op == "FusedMatMul"), Is.EqualTo((4 * 2) + 1),
                "packed qkv, output, packed gate/up and down of each layer, and the head");
            Assert.That(ops.Count(op => op == "If"), Is.EqualTo(1));
        });
    }

    [Test]
    public void Export_TwoRuns_WriteTheSameBytes()
    {
        Exporter.Export(Options with { Precision = Precision.Int4 });
        Exporter.Export(Options with { Precision = Precision.Int4, OutputFolder = Folder["again"] });
        foreach (string name in ModelManifest.RequiredFiles.Append(ModelManifest.FileName).Concat(ModelManifest.TokenizerFiles))
            Assert.That(File.ReadAllBytes(Path.Combine(Folder["again"], name)), Is.EqualTo(File.ReadAllBytes(Path.Combine(Folder["out"], name))), name);
    }

    [Test]
    public void Export_Fp16_HalvesTheWeightsAndRuns()
    {
        Exporter.Export(Options);
        Exporter.Export(Options with { OutputFolder = Folder["half"], Precision = Precision.Fp16 });
        Sequence sequence = new Sequence(new TinyModel(), 3).Image(2, 2).Text(5);
        using GraphRunner full = new(Folder["out"]), half = new(Folder["half"]);
        float[] expected = full.Run(sequence.Ids, sequence.Patches), found = half.Run(sequence.Ids, sequence.Patches);
        double largest = expected.Zip(found, (a, b) => Math.Abs((double)a - b)).Max();
        TestContext.Out.WriteLine($"fp16 on the CPU: max |difference| {largest:E2}, logits up to {expected.Max(Math.Abs):F1}");
        Assert.That(largest, Is.LessThanOrEqualTo(0.01 * expected.Max(Math.Abs)));
    }

    [Test]
    public void Export_Progress_ReachesTheEnd()
    {
        List<ExportProgress> reports = [];
        Exporter.Export(Options, new Listener(progress =>
        {
            lock (reports)
                reports.Add(progress);
        }));
        Assert.That(reports.Where(report => !report.Step.StartsWith("SHA-256", StringComparison.Ordinal)).Max(report => report.BytesDone),
            Is.EqualTo(reports[0].BytesTotal));
        Assert.That(reports.Select(report => report.Step), Does.Contain("SHA-256 of model.onnx.data").And.Contain("SHA-256 of model.safetensors"));
        Assert.That(reports.Select(report => report.Step), Does.Contain("model.layers.1.self_attn.qkv_proj.weight"));
    }

    [Test]
    public void Export_Cancelled_LeavesNothing()
    {
        using CancellationTokenSource cancellation = new();
        Assert.That(() => Exporter.Export(Options, new Listener(_ => cancellation.Cancel()), cancellation.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Directory.GetFileSystemEntries(Folder.Path).Select(Path.GetFileName), Is.EqualTo(new[] { "hf" }));
    }

    [Test]
    public void Export_FolderWithFiles_RefusedUnlessOverwrite()
    {
        Directory.CreateDirectory(Folder["out"]);
        File.WriteAllText(Path.Combine(Folder["out"], "README.md"), "mine");
        Assert.That(() => Exporter.Export(Options), Throws.TypeOf<ModelLoadException>().With.Message.Contains("found files in it"));
        Assert.That(Directory.GetFileSystemEntries(Folder.Path).Select(Path.GetFileName), Is.EquivalentTo(new[] { "hf", "out" }));

        Exporter.Export(Options with { Overwrite = true });
        Assert.That(File.ReadAllText(Path.Combine(Folder["out"], "README.md")), Is.EqualTo("mine"));
        ModelManifest.Load(Folder["out"]).VerifyFiles(Folder["out"]);
        Assert.That(Directory.GetFileSystemEntries(Folder.Path).Select(Path.GetFileName), Is.EquivalentTo(new[] { "hf", "out" }));
    }

    [Test]
    public void Export_OverEarlierExport_RemovesFilesThatAreNoLongerPartOfIt()
    {
        File.WriteAllText(Path.Combine(Folder["hf"], "added_tokens.json"), "{}");
        Exporter.Export(Options);
        Assert.That(File.Exists(Path.Combine(Folder["out"], "added_tokens.json")));
        File.Delete(Path.Combine(Folder["hf"], "added_tokens.json"));
        Exporter.Export(Options with { Overwrite = true, Precision = Precision.Int8 });
        Assert.That(File.Exists(Path.Combine(Folder["out"], "added_tokens.json")), Is.False);
        Assert.That(ModelManifest.Load(Folder["out"]).Precision, Is.EqualTo("int8"));
    }

    [Test]
    public void Export_IntoFolderOfItsCheckpoint_LeavesTheCheckpointAlone()
    {
        new TinyModel().Write(Path.Combine(Folder["out"], "hf"));
        Exporter.Export(Options with { CheckpointFolder = Path.Combine(Folder["out"], "hf"), Overwrite = true });
        Assert.That(File.Exists(Path.Combine(Folder["out"], "hf", "model.safetensors")));
        Assert.That(ModelManifest.Load(Folder["out"]).Source.Name, Is.EqualTo("out"));
    }

    [Test]
    public void Export_EmptyFolder_IsFilled()
    {
        Directory.CreateDirectory(Folder["out"]);
        Exporter.Export(Options);
        Assert.That(File.Exists(Path.Combine(Folder["out"], "onnxvlm.json")));
    }

    [Test]
    public void Export_OutputIsAFile_Refused()
    {
        File.WriteAllText(Folder["out"], "a file");
        Assert.That(() => Exporter.Export(Options with { Overwrite = true }), Throws.TypeOf<ModelLoadException>().With.Message.Contains("found a file"));
        Assert.That(File.ReadAllText(Folder["out"]), Is.EqualTo("a file"));
    }

    [Test]
    public void Export_AfterOneThatWasKilled_RemovesItsRemains()
    {
        string remains = Folder[".out.onnxvlm-export-0123"], running = Folder[".out.onnxvlm-export-4567"];
        Directory.CreateDirectory(remains);
        File.WriteAllText(Path.Combine(remains, ".lock"), "");
        File.WriteAllText(Path.Combine(remains, "model.onnx.data"), "half of it");
        Directory.CreateDirectory(running);
        using (new FileStream(Path.Combine(running, ".lock"), FileMode.Create, FileAccess.ReadWrite, FileShare.None))
            Exporter.Export(Options);
        Assert.That(Directory.Exists(remains), Is.False);
        Assert.That(Directory.Exists(running), Is.True);
    }

    [Test]
    public void Options_OutOfRange_Throw() => Assert.Multiple(() =>
    {
        Assert.That(() => Options with { BlockSize = 48 }, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => Options with { Precision = (Precision)9 }, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => Options with { OutputFolder = " " }, Throws.TypeOf<ArgumentException>());
        Assert.That(() => Exporter.Export(null!), Throws.ArgumentNullException);
    });

    private GraphProto Graph() => ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Folder["out"], "model.onnx"))).Graph;

    private sealed class Listener(Action<ExportProgress> report) : IProgress<ExportProgress>
    {
        public void Report(ExportProgress value) => report(value);
    }
}
