using System.Text.Json.Nodes;
using Microsoft.ML.OnnxRuntime;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Tests.Architectures;

/// <summary>Exported unified Gemmas against the managed reference, and what the exporter accepts and refuses.</summary>
[TestFixture]
public sealed class Gemma4UnifiedTests : ExportFixture
{
    private static readonly TinyGemma[] Models =
    [
        new(),
        new() { Seed = 2, KeyIsValue = false, Nested = false, Softcap = null, DType = "BF16", Shards = 2, Window = 5, RotaryFactor = 0.5 },
        new()
        {
            Seed = 3,
            Heads = 2,
            KeyValueHeads = 1,
            HeadSize = 24,
            FullHeadSize = 40,
            DType = "F16",
            Theta = 500,
            FullTheta = 20000,
            Prefix = "language_model.model.",
        },
        new() { Seed = 4, Hidden = 64, Kinds = null, Layers = 8, PerLayer = true, FullKeyValueHeads = 2, SharedProcessor = true, Window = 3, Shards = 3 },
        new() { Seed = 5, BothWays = false, Tied = false, FullKeyValueHeads = null, Kinds = "ssf", Layers = 3 },
        new()
        {
            Seed = 6,
            Defaults = true,
            Heads = 8,
            KeyValueHeads = 4,
            HeadSize = 8,
            FullHeadSize = 16,
            KeyIsValue = false,
            PerLayer = true,
            Kinds = "sss",
            Layers = 3,
            Window = 100,
        },
        new() { Seed = 7, RotaryFactor = 1, Window = 1, Kinds = "fsf", Layers = 3 },
    ];

    [TestCaseSource(nameof(Models))]
    public void Logits_TextAndImagesInPieces_MatchReference(object model)
    {
        var gemma = (TinyGemma)model;
        gemma.Write(Folder["hf"]);
        Exporter.Export(Options);
        double largest = Largest(gemma, out double logits);
        TestContext.Out.WriteLine($"max |difference| {largest:E2}, logits up to {logits:F1}");
        Assert.That(largest, Is.LessThanOrEqualTo(1e-4));
    }

    [Test]
    public void Logits_RandomVariants_MatchReference([Range(100, 107)] int seed)
    {
        Random random = new(seed);
        int layers = random.Next(2, 8), keyValueHeads = random.Next(1, 4);
        TinyGemma gemma = new()
        {
            Seed = seed,
            Hidden = 8 * random.Next(3, 9),
            KeyValueHeads = keyValueHeads,
            Heads = keyValueHeads * 2,
            FullKeyValueHeads = random.Next(2) == 0 ? null : random.Next(1, 3) == 1 ? 1 : keyValueHeads,
            HeadSize = 2 * random.Next(3, 20),
            FullHeadSize = 2 * random.Next(3, 30),
            KeyIsValue = random.Next(2) == 0,
            Window = random.Next(1, 20),
            Theta = random.Next(10, 100000),
            FullTheta = random.Next(10, 10000000),
            RotaryFactor = random.NextDouble(),
            Softcap = random.Next(2) == 0 ? null : random.Next(1, 40),
            Layers = layers,
            Kinds = string.Concat(Enumerable.Range(0, layers).Select(_ => random.Next(3) == 0 ? 'f' : 's')),
            Tied = random.Next(2) == 0,
            DType = new[] { "F32", "BF16", "F16" }[random.Next(3)],
            Shards = random.Next(1, 4),
            Nested = random.Next(2) == 0,
            PerLayer = random.Next(2) == 0,
            SharedProcessor = random.Next(2) == 0,
            PatchSize = 3 * random.Next(1, 4),
            VisionSize = 4 * random.Next(4, 16),
        };
        gemma.Write(Folder["hf"]);
        Exporter.Export(Options);
        double largest = Largest(gemma, out double logits);
        TestContext.Out.WriteLine($"{gemma}: max |difference| {largest:E2}, logits up to {logits:F1}");
        Assert.That(largest, Is.LessThanOrEqualTo(1e-4));
    }

    [TestCase(Device.Cuda, Precision.Fp32, 1e-4)]
    [TestCase(Device.DirectMl, Precision.Fp32, 1e-4)]
    [TestCase(Device.DirectMl, Precision.Fp16, 0.1)]
    [TestCase(Device.Cpu, Precision.Fp16, 0.1)]
    public void Logits_GraphsOfOtherDevices_MatchReference(Device device, Precision precision, double tolerance)
    {
        TinyGemma gemma = new() { Seed = 8, HeadSize = 24 };
        gemma.Write(Folder["hf"]);
        Exporter.Export(Options with { Device = device, Precision = precision });
        double largest = Largest(gemma, out double logits);
        TestContext.Out.WriteLine($"{device}, {precision}: max |difference| {largest:E2}, logits up to {logits:F1}");
        Assert.That(largest, Is.LessThanOrEqualTo(tolerance));
    }

    [TestCase(Device.Cpu)]
    [TestCase(Device.DirectMl)]
    public void Run_TwoSequencesAtOnce_TextIsRightAndImagesFail(Device device)
    {
        TinyGemma gemma = new();
        gemma.Write(Folder["hf"]);
        Exporter.Export(Options with { Device = device, Precision = Precision.Fp32 });
        long[] first = [2, 20, 21, 22, 23, 24], second = [2, 30, 31, 32, 33, 34];
        ReferenceGemma reference = new(Folder["hf"], gemma);
        using (GraphRunner text = new(Folder["out"], batch: 2))
        {
            double[] expected = [.. reference.Logits(first, [])[^1], .. reference.Logits(second, [])[^1]];
            Assert.That(text.Run([.. first, .. second], []).Zip(expected, (a, b) => Math.Abs(a - b)).Max(), Is.LessThanOrEqualTo(1e-4));
        }

        // The mask is for one sequence; more than one must give an error, not an answer.
        long[] image = [2, 20, TinyGemma.BeginImage, TinyGemma.ImageToken, TinyGemma.ImageToken, TinyGemma.EndImage];
        byte[] pixels = new byte[gemma.PatchWidth];
        using GraphRunner images = new(Folder["out"], batch: 2);
        Assert.That(() => images.Run([.. image, .. image], [(pixels, 0, 0), (pixels, 1, 0), (pixels, 0, 0), (pixels, 1, 0)]),
            Throws.TypeOf<OnnxRuntimeException>());
    }

    [Test]
    public void Logits_UnpackedMatrices_MatchReference()
    {
        TinyGemma gemma = new() { Seed = 9 };
        gemma.Write(Folder["hf"]);
        Exporter.Export(Options with { Pack = false });
        Assert.That(Largest(gemma, out _), Is.LessThanOrEqualTo(1e-4));
    }

    [TestCase(Precision.Int8)]
    [TestCase(Precision.Int4)]
    public void Logits_Quantized_MatchReferenceOnDequantizedWeights(Precision precision)
    {
        TinyGemma gemma = new() { Seed = 10, Hidden = 64 };
        gemma.Write(Folder["hf"]);
        ExportOptions options = Options with { Precision = precision };
        ExportReport report = Exporter.Export(options, ExportTarget.For(options) with { AccuracyLevel = 0 }, progress: null, CancellationToken.None);
        Assert.That(Largest(gemma, out _, reference => Dequantizer.Replace(reference, Folder["out"])), Is.LessThanOrEqualTo(1e-4));

        // Patches, norms and the layers' scalars stay floats.
        Assert.That(report.Quantized.Select(tensor => tensor.Name),
            Has.None.Matches<string>(name => name!.Contains("norm") || name.Contains("vision") || name.Contains("scalar")));
        Assert.That(report.Quantized, Has.Count.EqualTo((gemma.Layers * 4) + 1),
            "packed qkv, output, packed gate and up, down of each layer, and the embedding that is the head too");
    }

    [Test]
    public void Export_Manifest_SaysHowImagesAndCacheAre()
    {
        TinyGemma gemma = new();
        gemma.Write(Folder["hf"]);
        File.WriteAllText(Path.Combine(Folder["hf"], "generation_config.json"), """{ "suppress_tokens": [91, 95], "eos_token_id": [1, 9] }""");
        Exporter.Export(Options);
        var manifest = ModelManifest.Load(Folder["out"]);
        Assert.Multiple(() =>
        {
            Assert.That(manifest.Image.PatchSize, Is.EqualTo(6));
            Assert.That((manifest.Image.Resize.Rule, manifest.Image.Resize.Filter, manifest.Image.Resize.MaxPatches, manifest.Image.Resize.MaxRows),
                Is.EqualTo((ResizeMode.FillArea, ResizeFilter.Bicubic, 70, 24)));
            Assert.That(manifest.Image.Resize.Budgets, Is.EqualTo(new[] { 70, 140, 280, 560, 1120 }));
            Assert.That(manifest.Image.Tokens,
                Is.EqualTo(new ImageTokens { Placeholder = TinyGemma.ImageToken, Begin = TinyGemma.BeginImage, End = TinyGemma.EndImage }));
            Assert.That(manifest.Image.HasPositions, Is.True);
            Assert.That(manifest.EndTokenIds, Is.EqualTo(new[] { 1, 9 }));
            Assert.That(manifest.SuppressedTokenIds, Is.EqualTo(new[] { 91, 95 }));
            Assert.That(manifest.CacheNumbersPerToken, Is.EqualTo((3 * 2 * 2 * 16) + (2 * 2 * 1 * 32)));
        });
    }

    [Test]
    public void Export_WithoutGenerationConfig_TakesTheWholeModelsEndTokens()
    {
        new TinyGemma().Write(Folder["hf"]);
        Exporter.Export(Options);
        Assert.That(ModelManifest.Load(Folder["out"]).EndTokenIds, Is.EqualTo(new[] { TinyGemma.EndToken, 8 }));
    }

    [TestCase("text_config", "num_kv_shared_layers", 2)]
    [TestCase("text_config", "attention_bias", true)]
    [TestCase("text_config", "use_bidirectional_attention", "all")]
    [TestCase("text_config", "enable_moe_block", true)]
    [TestCase("text_config", "attn_logit_softcapping", 50.0)]
    [TestCase("vision_config", "num_attention_heads", 4)]
    public void Export_UnimplementedKey_RefusedByName(string section, string key, object value)
    {
        new TinyGemma().Write(Folder["hf"]);
        Change("config.json", config => config[section]![key] = JsonValue.Create(value));
        Assert.That(() => Exporter.Export(Options), Throws.InstanceOf<UnsupportedModelException>().With.Message.Contains(key));
        Assert.That(Directory.Exists(Folder["out"]), Is.False);
    }

    [Test]
    public void Export_OtherRotation_RefusedByName()
    {
        new TinyGemma().Write(Folder["hf"]);
        Change("config.json", config => config["text_config"]!["rope_parameters"]!["full_attention"]!["rope_type"] = "yarn");
        Assert.That(() => Exporter.Export(Options), Throws.InstanceOf<UnsupportedModelException>().With.Message.Contains(
            "rope_parameters: full_attention: rope_type: only proportional is implemented, found yarn"));
    }

    [TestCase("max_soft_tokens", 100, "max_soft_tokens: expected one of 70, 140, 280, 560, 1120, found 100")]
    [TestCase("do_rescale", false, "do_rescale")]
    [TestCase("pooling_kernel_size", 2, "pooling_kernel_size")]
    public void Export_OtherImageProcessing_RefusedByName(string key, object value, string message)
    {
        new TinyGemma().Write(Folder["hf"]);
        Change("preprocessor_config.json", config => config[key] = JsonValue.Create(value));
        Assert.That(() => Exporter.Export(Options), Throws.InstanceOf<VlmException>().With.Message.Contains(message));
    }

    private void Change(string file, Action<JsonNode> change)
    {
        string path = Path.Combine(Folder["hf"], file);
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        change(config);
        File.WriteAllText(path, config.ToJsonString());
    }

    /// <summary>Text alone, an image, text token by token, then another image surrounded by text; every run's last row is compared.</summary>
    private double Largest(TinyGemma gemma, out double largestLogit, Action<ReferenceGemma>? change = null)
    {
        Random random = new(gemma.Seed + 50);
        List<long> ids = [2];
        List<(byte[] Pixels, int Column, int Row)> patches = [];
        List<int> pieces = [];
        Text(6);
        pieces.Add(ids.Count);
        Image(2, 3);
        Image(3, 4);
        pieces.Add(ids.Count);
        for (int i = 0; i < 3; i++)
        {
            Text(1);
            pieces.Add(ids.Count);
        }

        Text(5);
        Image(1, 5);
        Text(2);
        pieces.Add(ids.Count);
        Text(1);
        pieces.Add(ids.Count);

        ReferenceGemma reference = new(Folder["hf"], gemma);
        change?.Invoke(reference);
        double[][] expected = reference.Logits(ids, patches);
        using GraphRunner graph = new(Folder["out"]);
        double largest = 0;
        int start = 0, used = 0;
        foreach (int end in pieces)
        {
            int count = ids[start..end].Count(id => id == TinyGemma.ImageToken);
            float[] found = graph.Run(ids[start..end], patches.GetRange(used, count));
            largest = Math.Max(largest, found.Zip(expected[end - 1], (a, b) => Math.Abs(a - b)).Max());
            (start, used) = (end, used + count);
        }

        largestLogit = expected[^1].Max(Math.Abs);
        return largest;

        void Text(int count)
        {
            for (int i = 0; i < count; i++)
                ids.Add(random.Next(10, 89));
        }

        void Image(int rows, int columns)
        {
            ids.Add(TinyGemma.BeginImage);
            for (int i = 0; i < rows * columns; i++)
            {
                byte[] pixels = new byte[gemma.PatchWidth];
                random.NextBytes(pixels);
                patches.Add((pixels, i % columns, i / columns));
                ids.Add(TinyGemma.ImageToken);
            }

            ids.Add(TinyGemma.EndImage);
        }
    }
}
