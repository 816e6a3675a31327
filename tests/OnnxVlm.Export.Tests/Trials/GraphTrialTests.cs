using OnnxVlm.Export.Streaming;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.Export.Trials;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Tests.Trials;

/// <summary>The trial of an export's graph: when it is asked for, what a failure leaves, and what the graph must show.</summary>
[TestFixture]
public sealed class GraphTrialTests : ExportFixture
{
    private string Snapshot => Path.Combine(Folder.Path, "models--someone--tiny", "snapshots", new string('c', 40));

    private static IEnumerable<TestCaseData> Checkpoints()
    {
        yield return Named("unified_decoder", folder => new TinyModel().Write(folder));
        yield return Named("fuyu", folder => new TinyFuyu().Write(folder));
        yield return Named("gemma4_unified", folder => new TinyGemma().Write(folder));
        yield return Named("neo_chat", folder => new TinyNeo().Write(folder));
        yield return Named("qwen3_5", folder => new TinyQwen().Write(folder));

        static TestCaseData Named(string name, Action<string> write) => new TestCaseData(write).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Checkpoints))]
    public void Run_AnyArchitecture_ReadsAnImageAndAToken(Action<string> write)
    {
        write(Folder["hf"]);
        int tried = 0;
        ExportReport report = Exporter.Export(Options with { Trial = Try });

        Assert.That((tried, report.TrialOmitted), Is.EqualTo((1, (string?)null)));

        string? Try(string folder, CancellationToken cancellationToken)
        {
            Assert.That(folder, Is.Not.EqualTo(Folder["out"]));
            Assert.That(Directory.Exists(Folder["out"]), Is.False);
            GraphTrial.Run(folder, Device.Cpu);
            tried++;
            return null;
        }
    }

    [Test]
    public void Run_LogitsThatAreNoNumbers_Fails()
    {
        new TinyModel().Write(Folder["hf"]);
        string path = Path.Combine(Folder["hf"], "model.safetensors");
        byte[] bytes = File.ReadAllBytes(path);
        // The largest finite numbers: a checkpoint with NaN is refused before.
        for (int i = bytes.Length / 2 / 4 * 4; i + 4 <= bytes.Length; i += 4)
            (bytes[i + 2], bytes[i + 3]) = (0x7F, 0x7F);
        File.WriteAllBytes(path, bytes);
        Exporter.Export(Options);

        Assert.That(() => GraphTrial.Run(Folder["out"], Device.Cpu), Throws.TypeOf<VlmException>().With.Message.Match("^logit 0 is (NaN|-?Infinity)$"));
    }

    [Test]
    public void Export_TrialFails_OneLineAndNothingIsLeft()
    {
        new TinyModel().Write(Folder["hf"]);
        ExportOptions options = Options with { Trial = (_, _) => "it ended with SIGSEGV." };

        Assert.That(() => Exporter.Export(options), Throws.TypeOf<ModelLoadException>().With.Message.EqualTo(
            $"{Folder["hf"]}: the graph that was made from it does not run: " +
            "it ended with SIGSEGV; to keep it anyway, export without the trial (--no-trial)"));
        Assert.That(Directory.GetFileSystemEntries(Folder.Path), Is.EqualTo(new[] { Folder["hf"] }));
    }

    [Test]
    public async Task StreamedExport_TrialFails_WhatWasReadStaysForTheNext()
    {
        new TinyGemma { Shards = 2 }.Write(Snapshot);
        FolderSource source = new(Snapshot);
        StreamedCheckpoint checkpoint = await StreamedCheckpoint.OpenAsync(source, Snapshot);
        ExportOptions options = new() { CheckpointFolder = "-", OutputFolder = Folder["out"], Trial = (_, _) => "it ended with code 7" };
        await Assert.ThrowsAsync<ModelLoadException>(() => checkpoint.ExportAsync(options));
        Assert.That(Directory.Exists(Folder["out"]), Is.False);

        long before = source.BytesRead;
        await checkpoint.ExportAsync(options with { Trial = null });

        Assert.That(source.BytesRead, Is.EqualTo(before), "bytes read again");
        ModelManifest.Load(Folder["out"]).VerifyFiles(Folder["out"]);
        GraphTrial.Run(Folder["out"], Device.Cpu);
    }

    [Test]
    public void Export_DeviceThatIsNotHere_SaysWhyItWasNotTried()
    {
        Assert.That(DeviceCatalog.MissingFor(Device.DirectMl), Is.Not.Null, "this test is for machines without DirectML");
        new TinyModel().Write(Folder["hf"]);
        ExportOptions options = Options with
        {
            Device = Device.DirectMl,
            Trial = (_, _) => throw new AssertionException("it was tried"),
        };
        Assert.That(Exporter.Export(options).TrialOmitted, Is.EqualTo(DeviceCatalog.MissingFor(Device.DirectMl)));
    }

    [TestCase(Precision.Fp32, 1L << 50, true)]
    [TestCase(Precision.Int4, 1L << 20, false)]
    public void Obstacle_Memory_IsSaidInMegabytes(Precision precision, long weightBytes, bool isTooLarge) =>
        Assert.That(GraphTrial.Obstacle(Device.Cpu, precision, weightBytes),
            isTooLarge ? Does.Match(@"^it needs \d+ MB of memory, and \d+ MB are free$") : Is.Null);
}
