using System.Text.Json.Nodes;
using OnnxVlm.Evaluation.Verification;
using OnnxVlm.Export;
using OnnxVlm.Generation;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Exporting;

/// <summary>Keys and values cached in 8 bits: calibrated by the export, read by attention and by the branch for images, with both runners.</summary>
internal sealed class QuantizedCacheTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("onnxvlm-cache-").FullName;

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    // Of random weights, values err more than those of trained ones; a branch that took the codes for numbers would be wrong by far more than the numbers themselves.
    [TestCase("nano", 8, 0.03)]
    [TestCase("gemma4_unified", 12, 0.25)]
    [TestCase("neo", 3, 0.05)]
    [TestCase("qwen3_5", 1, 0.05)]
    public void Logits_ReferenceCases_NearThoseOfFloats(string name, int layers, double most)
    {
        (ExportReport report, string quantized) = Export(name, Precision.Int8);
        (_, string floats) = Export(name, keyValues: null);
        Assert.That(report.Caches, Has.Count.EqualTo(layers));
        foreach (CacheReport cache in report.Caches)
        {
            Assert.That(cache.AttentionError, Is.GreaterThan(0).And.LessThan(0.06), $"{cache}");
            Assert.That((cache.LargestKey, cache.LargestValue), Is.GreaterThan((0f, 0f)));
        }

        foreach (Runner runner in new[] { Runner.Ort, Runner.GenAI })
        {
            using VlmModel model = VlmModel.Load(quantized, new VlmOptions { Runner = runner }), reference = VlmModel.Load(floats);
            foreach (string folder in ReferenceCase.FoldersOf(Goldens(name)))
            {
                ReferenceCase @case = ReferenceCase.Load(folder, reference);
                float[] expected = Logits(reference, @case), found = Logits(model, @case);
                double error = Norm(found.Zip(expected, (a, b) => a - b)) / Norm(expected);
                TestContext.Out.WriteLine($"{runner} {Path.GetFileName(folder)}: relative error {error:F4}");
                Assert.That(error, Is.GreaterThan(0).And.LessThan(most));
            }
        }
    }

    [TestCase("nano")]
    [TestCase("gemma4_unified")]
    public void Manifest_AndSizes_AreOfEightBits(string name)
    {
        (_, string quantized) = Export(name, Precision.Int8);
        (_, string floats) = Export(name, keyValues: null);
        Assert.That(ModelManifest.Load(quantized).CachePrecision, Is.EqualTo("int8"));
        Assert.That(ModelManifest.Load(floats).CachePrecision, Is.Null);
        Assert.That(File.ReadAllBytes(Path.Combine(quantized, "model.onnx.data")), Is.EqualTo(File.ReadAllBytes(Path.Combine(floats, "model.onnx.data"))), "the weights are the same");
        Assert.That(Directory.GetFiles(quantized).Select(Path.GetFileName), Is.EquivalentTo(Directory.GetFiles(floats).Select(Path.GetFileName)));
        foreach (Runner runner in new[] { Runner.Ort, Runner.GenAI })
        {
            using IDecoder small = Load(quantized, runner), large = Load(floats, runner);
            Assert.That(large.BytesFor(1000), Is.EqualTo(4 * small.BytesFor(1000)));
        }
    }

    [Test]
    public async Task ReadAsync_PiecesOfAnySize_SameLogits()
    {
        using IDecoder decoder = Load(Export("nano", Precision.Int8).Folder, Runner.Ort);
        int[] tokens = [.. Enumerable.Range(0, 90).Select(i => 20 + (i * 37 % 900))];
        float[]? expected = null;
        foreach (int size in new[] { 90, 32, 7, 1 })
        {
            using IDecoderSequence sequence = decoder.CreateSequence(new SequenceOptions(100, 0));
            await sequence.ReadAsync([.. tokens.Chunk(size).Select(piece => new PrefillChunk(piece, []))], null, default);
            expected ??= sequence.Logits.ToArray();
            Assert.That(sequence.Logits.ToArray().Zip(expected, (a, b) => Math.Abs(a - b)).Max(), Is.LessThan(0.05), $"pieces of {size}");
        }
    }

    [Test]
    public async Task GenerateAsync_GuidedAndForkedAnswers_FollowTheirGrammars()
    {
        using VlmModel model = VlmModel.Load(Export("nano", Precision.Int8).Folder);
        Prompt prompt = new([new PromptSegment(Enumerable.Range(30, 40).ToArray())]);
        string[] texts = await Task.WhenAll(Enumerable.Range(0, 4).Select(async seed =>
        {
            GenerationOptions options = new() { Guidance = Guidance.Regex("[0-9]{3}-[xyz]{4}"), Temperature = 1, Seed = seed, MaxNewTokens = 30 };
            return string.Concat((await model.GenerateAsync(prompt, options).ToListAsync()).Select(update => update.Text));
        }));
        Assert.That(texts, Has.All.Match("^[0-9]{3}-[xyz]{4}$"));
    }

    [TestCase(Device.DirectMl, Precision.Fp32, "DirectML")]
    [TestCase(Device.Cuda, Precision.Fp16, "CUDA's attention is fast with it for 4, 8, 16 or 32 query heads")]
    [TestCase(Device.Cpu, Precision.Fp16, "slower with it in fp16")]
    public void Export_DeviceThatCannot_RefusedByName(Device device, Precision precision, string message)
    {
        ExportOptions options = new() { CheckpointFolder = Checkpoint("gemma4_unified"), OutputFolder = Path.Combine(_folder, "refused"), Device = device, Precision = precision, KeyValues = Precision.Int8 };
        Assert.That(() => Exporter.Export(options), Throws.TypeOf<UnsupportedModelException>().With.Message.Contains(message).And.Message.Contains("--kv"));
        Assert.That(Directory.Exists(options.OutputFolder), Is.False);
    }

    [Test]
    public void Export_OwnCalibration_IsWhatIsRead()
    {
        string own = Path.Combine(_folder, "own");
        Directory.CreateDirectory(own);
        File.WriteAllText(Path.Combine(own, "a.txt"), string.Concat(Enumerable.Repeat("The total is 12.50 EUR. ", 100)));
        File.Copy(Path.Combine(Nano.Folder, "sample.png"), Path.Combine(own, "b.png"));
        ExportReport shipped = Export("nano", Precision.Int8).Report;
        ExportOptions options = new() { CheckpointFolder = Checkpoint("nano"), OutputFolder = Path.Combine(_folder, "calibrated"), KeyValues = Precision.Int8, Overwrite = true };

        float[] both = Largest(own), text = Largest(Path.Combine(own, "a.txt")), image = Largest(Path.Combine(own, "b.png"));

        Assert.That(both, Is.Not.EqualTo(shipped.Caches.Select(cache => cache.LargestValue)));
        Assert.That(both, Is.EqualTo(text.Zip(image, Math.Max)).Within(1e-4));

        float[] Largest(string calibration) => [.. Exporter.Export(options with { Calibration = calibration }).Caches.Select(cache => cache.LargestValue)];
    }

    [TestCase("nowhere", null, "there is no such file")]
    [TestCase("empty.txt", "", "nothing that the model can read")]
    [TestCase("binary.bin", "\u00ff\u00fe", "expected UTF-8 text or an image")]
    [TestCase("broken.png", "no picture", "broken.png: not an image")]
    public void Export_CalibrationThatCannotBeRead_SaysWhatAndLeavesNothing(string name, string? content, string message)
    {
        string path = Path.Combine(_folder, name), output = Path.Combine(_folder, "none");
        if (content is not null)
            File.WriteAllBytes(path, [.. content.Select(character => (byte)character)]);
        Assert.That(() => Exporter.Export(new ExportOptions { CheckpointFolder = Checkpoint("nano"), OutputFolder = output, KeyValues = Precision.Int8, Calibration = path }), Throws.InstanceOf<VlmException>().With.Message.Contains(message));
        Assert.That(Directory.Exists(output), Is.False);
    }

    [Test]
    public void Load_UnknownCachePrecision_Refused()
    {
        string folder = Path.Combine(_folder, "unknown");
        Directory.CreateDirectory(folder);
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(Path.Combine(Nano.Folder, ModelManifest.FileName)))!;
        manifest["cache_precision"] = "int2";
        File.WriteAllText(Path.Combine(folder, ModelManifest.FileName), manifest.ToJsonString());
        Assert.That(() => ModelManifest.Load(folder), Throws.TypeOf<ModelLoadException>().With.Message.Contains("cache_precision: expected int8 or nothing, found \"int2\""));
    }

    private static string Checkpoint(string name) => name == "nano" ? Path.Combine(Nano.Folder, "hf") : Path.Combine(Nano.TestData, name);

    private static string Goldens(string name) => name == "nano" ? Path.Combine(Nano.TestData, "nano-goldens") : Path.Combine(Nano.TestData, name);

    private static IDecoder Load(string folder, Runner runner) => new DecoderLoader(folder, ModelManifest.Load(folder), runner, threads: 1, cacheBytes: 0).Load(Device.Cpu);

    private static float[] Logits(VlmModel model, ReferenceCase @case)
    {
        using VlmSequence sequence = model.CreateSequence(@case.Segments.Sum(segment => segment.TokenIds.Length) + 1, @case.Segments.Sum(segment => segment.Image?.Count ?? 0));
        sequence.Append(@case.Segments);
        return sequence.NextLogits();
    }

    private static double Norm(IEnumerable<float> numbers) => Math.Sqrt(numbers.Sum(number => (double)number * number));

    private (ExportReport Report, string Folder) Export(string name, Precision? keyValues)
    {
        string output = Path.Combine(_folder, $"{name}-{keyValues}");
        return (Exporter.Export(new ExportOptions { CheckpointFolder = Checkpoint(name), OutputFolder = output, KeyValues = keyValues, Overwrite = true }), output);
    }
}
