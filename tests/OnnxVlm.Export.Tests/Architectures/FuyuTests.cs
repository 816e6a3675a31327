using System.Text.Json.Nodes;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.Tests.Architectures;

/// <summary>Exported Fuyu graphs against the managed reference, and what the exporter accepts and refuses.</summary>
[TestFixture]
public sealed class FuyuTests : ExportFixture
{
    private static readonly TinyFuyu[] Models =
    [
        new(),
        new() { Seed = 2, Nested = true, Heads = 4, DType = "BF16", Shards = 2, Theta = 10000 },
        new()
        {
            Seed = 3,
            Hidden = 96,
            Heads = 4,
            DType = "F16",
            RotaryFactor = 0.25,
            DecoderPrefix = "model.language_model.",
            HeadPrefix = "",
            VisionPrefix = "model.",
        },
        new() { Seed = 4, Heads = 1, RotaryFactor = 1, RopeParameters = true, Theta = 500000, DecoderPrefix = "model.", HeadPrefix = "", Shards = 3 },
        new() { Seed = 5, Hidden = 48, Heads = 2, Layers = 1, Tied = true, HeadNorm = false, Nested = true, RopeParameters = true },
        new() { Seed = 6, Hidden = 80, Heads = 4, RotaryFactor = 0.8 },
    ];

    [TestCaseSource(nameof(Models))]
    public void Logits_TextAndImages_MatchReference(object model)
    {
        var fuyu = (TinyFuyu)model;
        fuyu.Write(Folder["hf"]);
        Exporter.Export(Options);
        (List<long> ids, List<byte[]> patches) = Sequence(fuyu);
        double[][] expected = new ReferencePersimmon(Folder["hf"], fuyu.Config()).Logits(ids, patches);

        // Both images and some text at once, then a few tokens one by one.
        using GraphRunner graph = new(Folder["out"]);
        int prefill = ids.Count - 4;
        double largest = Largest(graph.Run(ids[..prefill], [.. patches.Select(pixels => (pixels, 0, 0))]), expected[prefill - 1]);
        for (int i = prefill; i < ids.Count; i++)
            largest = Math.Max(largest, Largest(graph.Run([ids[i]], []), expected[i]));
        TestContext.Out.WriteLine($"max |difference| {largest:E2}, logits up to {expected[^1].Max(Math.Abs):F1}");
        Assert.That(largest, Is.LessThanOrEqualTo(1e-4));
    }

    [TestCase(Precision.Fp16)]
    [TestCase(Precision.Int8)]
    [TestCase(Precision.Int4)]
    public void Logits_OtherPrecisions_StayNearReference(Precision precision)
    {
        TinyFuyu fuyu = new() { Seed = 8 };
        fuyu.Write(Folder["hf"]);
        Exporter.Export(Options with { Precision = precision });
        (List<long> ids, List<byte[]> patches) = Sequence(fuyu);
        double[] expected = new ReferencePersimmon(Folder["hf"], fuyu.Config()).Logits(ids, patches)[^1];
        using GraphRunner graph = new(Folder["out"]);
        double difference = Largest(graph.Run(ids, [.. patches.Select(pixels => (pixels, 0, 0))]), expected) / expected.Max(Math.Abs);
        TestContext.Out.WriteLine($"{precision}: {difference:P1} of the largest logit");
        Assert.That(difference, Is.LessThanOrEqualTo(precision == Precision.Int4 ? 0.5 : 0.05));
    }

    [Test]
    public void Export_WithoutTokenizer_WritesFolderForTokenIds()
    {
        new TinyFuyu().Write(Folder["hf"]);
        ExportReport report = Exporter.Export(Options);
        var manifest = ModelManifest.Load(Folder["out"]);
        Assert.Multiple(() =>
        {
            Assert.That(report.HasTokenizer, Is.False);
            Assert.That(manifest.HasTokenizer, Is.False);
            Assert.That(manifest.Image.Resize,
                Is.EqualTo(new ResizeRule { Rule = ResizeMode.ShrinkToBox, Filter = ResizeFilter.Bilinear, MaxHeightPx = 1080, MaxWidthPx = 1920 }));
            Assert.That(manifest.Image.Padding, Is.EqualTo(new PaddingRule { Mode = PaddingMode.Constant, Value = 1 }));
            Assert.That(manifest.Image.Tokens, Is.EqualTo(new ImageTokens { Placeholder = TinyFuyu.ImageToken }));
        });
    }

    [Test]
    public void Export_WithTokenizer_FindsTokensAndAddsTemplate()
    {
        new TinyFuyu().Write(Folder["hf"]);
        const string tokenizer = """
            { "added_tokens": [{ "id": 90, "content": "|SPEAKER|", "special": true }],
              "model": { "type": "BPE", "vocab": { "<unk>": 0, "<s>": 1, "</s>": 2, "<0x04>": 8, "|NEWLINE|": 91 }, "merges": [] } }
            """;
        File.WriteAllText(Path.Combine(Folder["hf"], "tokenizer.json"), tokenizer);
        File.WriteAllText(Path.Combine(Folder["hf"], "tokenizer_config.json"), """{ "tokenizer_class": "LlamaTokenizer", "add_bos_token": true }""");
        Exporter.Export(Options);
        JsonNode written = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder["out"], "tokenizer.json")))!;
        Assert.Multiple(() =>
        {
            Assert.That(ModelManifest.Load(Folder["out"]).Image.Tokens, Is.EqualTo(new ImageTokens { Placeholder = 90, RowEnd = 91, End = 1 }));
            Assert.That(written["added_tokens"]!.AsArray().Select(token => (string?)token!["content"]),
                Is.EquivalentTo(new[] { "|SPEAKER|", "<s>", "<0x04>", "|NEWLINE|" }));
            Assert.That(File.ReadAllText(Path.Combine(Folder["out"], "chat_template.jinja")), Does.Contain("<0x04>"));
        });
    }

    [TestCase("hidden_act", "gelu", "hidden_act")]
    [TestCase("rope_scaling", "linear", "rope_scaling")]
    [TestCase("sliding_window", "4", "sliding_window")]
    [TestCase("num_channels", "1", "num_channels")]
    public void Export_UnimplementedKey_RefusedByName(string key, string value, string message)
    {
        new TinyFuyu().Write(Folder["hf"]);
        string path = Path.Combine(Folder["hf"], "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        config[key] = int.TryParse(value, out int number) ? JsonValue.Create(number) : JsonValue.Create(value);
        File.WriteAllText(path, config.ToJsonString());
        Assert.That(() => Exporter.Export(Options), Throws.InstanceOf<UnsupportedModelException>().With.Message.Contains(message));
        Assert.That(Directory.Exists(Folder["out"]), Is.False);
    }

    [Test]
    public void Export_NestedConfigOfAnotherDecoder_Refused()
    {
        new TinyFuyu { Nested = true }.Write(Folder["hf"]);
        string path = Path.Combine(Folder["hf"], "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        config["text_config"]!["model_type"] = "llama";
        File.WriteAllText(path, config.ToJsonString());
        Assert.That(() => Exporter.Export(Options),
            Throws.InstanceOf<UnsupportedModelException>().With.Message.Contains("only persimmon is implemented, found llama"));
    }

    [Test]
    public void Export_MissingTensorOfAnyPrefix_NamesIt()
    {
        TinyFuyu fuyu = new();
        fuyu.Write(Folder["hf"]);
        SafetensorsWriter.Write(
            Path.Combine(Folder["hf"], "model.safetensors"), "F32",
            [.. fuyu.Tensors().Where(entry => !entry.Key.EndsWith("lm_head.weight", StringComparison.Ordinal)).Select(
            entry => (entry.Key, entry.Value.Shape, entry.Value.Numbers))]);
        Assert.That(() => Exporter.Export(Options),
            Throws.InstanceOf<ModelLoadException>().With.Message.Contains("lm_head.weight is missing, under any prefix"));
    }

    private static (List<long> Ids, List<byte[]> Patches) Sequence(TinyFuyu fuyu)
    {
        Random random = new(fuyu.Seed + 50);
        List<long> ids = [];
        List<byte[]> patches = [];
        foreach ((int rows, int columns) in new[] { (2, 3), (3, 1) })
        {
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                {
                    byte[] pixels = new byte[fuyu.PatchWidth];
                    random.NextBytes(pixels);
                    patches.Add(pixels);
                    ids.Add(TinyFuyu.ImageToken);
                }

                ids.Add(TinyFuyu.NewLineToken);
            }

            for (int i = 0; i < 6; i++)
                ids.Add(random.Next(3, 89));
        }

        return (ids, patches);
    }
}
