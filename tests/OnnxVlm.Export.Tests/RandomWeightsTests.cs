using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxVlm.Export.Architectures;
using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.HuggingFace;
using OnnxVlm.Export.Inspection;
using OnnxVlm.Export.Safetensors;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Export.Tests;

/// <summary>Exports of a configuration without weights.</summary>
[TestFixture]
public sealed class RandomWeightsTests
{
    [TestCase("fuyu-8b", 9_408_238_592L)]
    [TestCase("unified-decoder-9b", 9_360_000_000L)]
    public void ShippedConfigs_HaveTheSizeOfTheirName(string name, long parameters)
    {
        // The configuration is used except for the number of layers; a model of one layer is written, and the others are counted.
        using TemporaryFolder folder = new();
        CopyConfig(Exporter.ShippedConfigs[name], folder["config"], config =>
        {
            config["num_hidden_layers"] = 1;
            config["hidden_size"] = 64;
            config["intermediate_size"] = 96;
            config["num_attention_heads"] = 2;
            if (config["num_key_value_heads"] is not null)
                config["num_key_value_heads"] = 1;
            if (config["head_dim"] is not null)
                config["head_dim"] = 32;
            config["max_position_embeddings"] = 64;
        });
        ExportReport report = Exporter.Export(
            new ExportOptions { CheckpointFolder = folder["config"], OutputFolder = folder["out"], RandomSeed = 1, Precision = Precision.Int4 });
        var manifest = ModelManifest.Load(folder["out"]);
        Assert.That(manifest.Source.Revision, Is.EqualTo("seed 1"));
        Assert.That(manifest.HasTokenizer, Is.True);
        Assert.That(report.Parameters, Is.GreaterThan(0));
        Assert.That(Count(name), Is.EqualTo(parameters).Within(parameters / 100));

        // The tokenizer has a token for each byte, and the image tokens.
        var vocabulary = Vocabulary.Load(Path.Combine(folder["out"], "tokenizer.json"));
        Assert.That(Enumerable.Range(0, vocabulary.Size).Count(id => vocabulary.BytesOf(id).Length == 1), Is.EqualTo(256));
        Assert.That(vocabulary.IsSpecial(manifest.Image.Tokens.Placeholder));
        Assert.That(vocabulary.IsSpecial(manifest.Image.Tokens.RowEnd!.Value));
        Assert.That(vocabulary.IsSpecial(manifest.EndTokenIds[0]));
    }

    [Test]
    public void ShippedConfig_Gemma_HasTheSizeOfItsName()
    {
        // The graph names every tensor and its shape; no weight is computed before it is written.
        using RandomTensors weights = new(1);
        (ModelGraph _, ModelDescription model) = Build("gemma-4-12b", weights, Precision.Int4, Device.Cpu);
        Assert.That(weights.Parameters, Is.EqualTo(11_960_000_000L).Within(10_000_000L));
        Assert.That((model.Layers, model.ContextLength, model.Image.PatchSize), Is.EqualTo((48, 262144, 48)));
        Assert.That(model.Reasoning, Is.Not.Null);
    }

    [Test]
    public void Export_GemmaInSmall_WritesFolderThatCanBePrompted()
    {
        using TemporaryFolder folder = new();
        CopyConfig(Exporter.ShippedConfigs["gemma-4-12b"], folder["config"], config =>
        {
            JsonObject text = config["text_config"]!.AsObject();
            (text["hidden_size"], text["intermediate_size"], text["num_hidden_layers"], text["max_position_embeddings"]) = (64, 96, 6, 64);
            (text["head_dim"], text["global_head_dim"]) = (16, 32);
            (config["vision_config"]!["mm_embed_dim"], config["vision_config"]!["output_proj_dims"]) = (32, 32);
        });
        Exporter.Export(new ExportOptions { CheckpointFolder = folder["config"], OutputFolder = folder["out"], RandomSeed = 1, Precision = Precision.Int4 });
        var manifest = ModelManifest.Load(folder["out"]);
        var vocabulary = Vocabulary.Load(Path.Combine(folder["out"], "tokenizer.json"));
        Assert.Multiple(() =>
        {
            Assert.That(manifest.HasTokenizer, Is.True);
            Assert.That(new[] { manifest.Image.Tokens.Placeholder, manifest.Image.Tokens.Begin!.Value, manifest.Image.Tokens.End!.Value,
                manifest.Reasoning!.Begin }, Has.All.Matches<int>(vocabulary.IsSpecial));
            Assert.That(manifest.SuppressedTokenIds, Is.EqualTo(new[] { 258883, 258882 }));
            Assert.That(manifest.EndTokenIds, Is.EqualTo(new[] { 1, 106, 50 }), "the model ends a turn with calls by 50");
        });
    }

    [Test]
    public void ShippedConfig_Fuyu_HasATokenizerOfThePublishedKind()
    {
        HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Load(Path.Combine(Exporter.ShippedConfigs["fuyu-8b"], "tokenizer.json"));

        int[] ids = tokenizer.EncodeAsText("a <s>");

        Assert.That(ids.Select(id => tokenizer.TokenOf(id)), Is.EqualTo(new[] { "▁", "<0x61>", "▁", "<0x3C>", "<0x73>", "<0x3E>" }));
        Assert.That(tokenizer.Encode("|SPEAKER|<s>|NEWLINE|"), Is.EqualTo(new[] { 71011, 1, 71019 }));
    }

    [TestCase("fuyu-8b")]
    [TestCase("unified-decoder-9b")]
    [TestCase("gemma-4-12b")]
    [TestCase("neo-9b")]
    [TestCase("neo-2b")]
    [TestCase("sensenova-u1-8b")]
    [TestCase("qwen3.5-0.8b")]
    [TestCase("qwen3.5-2b")]
    [TestCase("qwen3.5-4b")]
    [TestCase("qwen3.5-9b")]
    public void ShippedConfig_TokensAndMemory_AreWhatTheReadmeSays(string name)
    {
        using RandomTensors counted = new(1);
        (ModelGraph _, ModelDescription model) = Build(name, counted, Precision.Fp32, Device.Cpu);
        int tokens = PatchShape.Of(model.Image, 1000, 1000).TokenCount(model.Image.Tokens);
        string row = string.Create(CultureInfo.InvariantCulture,
            $"{counted.Parameters / 1e9:F2} B | {tokens} | {Memory(Precision.Int4, Device.Cpu)} | {Memory(Precision.Int8, Device.Cpu)} " +
            $"| {Memory(Precision.Fp32, Device.Cpu)} | {Memory(Precision.Int4, Device.Cuda)} | {Memory(Precision.Fp16, Device.Cuda)} |");
        TestContext.Out.WriteLine($"{name}: | {row}");
        string readme = File.ReadAllText(Path.Combine(TestContext.CurrentContext.TestDirectory, "README.md"));
        Assert.That(readme.Split('\n').Where(line => line.Contains($"`{name}`", StringComparison.Ordinal)), Has.Some.Contains(row));

        // Gigabytes of weights and cache at 4096 and at 32768 tokens, or at the model's whole context.
        string Memory(Precision precision, Device device)
        {
            using TemporaryFolder folder = new();
            using RandomTensors weights = new(1);
            (ModelGraph graph, ModelDescription built) = Build(name, weights, precision, device);
            graph.Graph.Save(Path.Combine(folder.Path, "model.onnx"), "test");
            ModelSummary summary = ModelInspector.Inspect(folder.Path);
            double Gigabytes(int length) => (summary.SizeBytes + summary.Cache.Bytes(Math.Min(length, built.ContextLength))) / 1e9;
            return string.Create(CultureInfo.InvariantCulture, $"{Gigabytes(4096):F1} / {Gigabytes(32768):F1}");
        }
    }

    [Test]
    public void Export_SameSeed_SameBytes()
    {
        using TemporaryFolder folder = new();
        new TinyModel().Write(folder["hf"]);
        File.Delete(Path.Combine(folder["hf"], "model.safetensors"));
        ExportOptions options = new() { CheckpointFolder = folder["hf"], OutputFolder = folder["a"], RandomSeed = 3 };
        Exporter.Export(options);
        Exporter.Export(options with { OutputFolder = folder["b"] });
        Exporter.Export(options with { OutputFolder = folder["c"], RandomSeed = 4 });
        byte[] a = File.ReadAllBytes(Path.Combine(folder["a"], "model.onnx.data"));
        Assert.That(File.ReadAllBytes(Path.Combine(folder["b"], "model.onnx.data")), Is.EqualTo(a));
        Assert.That(File.ReadAllBytes(Path.Combine(folder["c"], "model.onnx.data")), Is.Not.EqualTo(a));
    }

    [Test]
    public void Read_AnyRange_GivesTheSameNumbers()
    {
        using RandomTensors tensors = new(7);
        CheckpointTensor tensor = tensors.Take("model.layers.0.mlp.up_proj.weight", 300, 400);
        float[] whole = new float[300 * 400], part = new float[1000];
        tensor.Read(0, whole);
        tensor.Read(12345, part);
        Assert.That(part, Is.EqualTo(whole[12345..13345]));
        Assert.That(Math.Sqrt(whole.Average(x => (double)x * x)), Is.EqualTo(1 / Math.Sqrt(400)).Within(0.0005));
        Assert.That(whole.Average(x => (double)x), Is.EqualTo(0).Within(0.001));
    }

    [Test]
    public void ByteTokenizer_SkipsTakenIds()
    {
        JsonObject tokenizer = ByteTokenizer.Create(
            new JsonObject { ["1"] = new JsonObject { ["content"] = "<s>" }, ["300"] = new JsonObject { ["content"] = "<image>" } });
        JsonObject vocabulary = tokenizer["model"]!["vocab"]!.AsObject();
        Assert.That(vocabulary, Has.Count.EqualTo(256));
        Assert.That(vocabulary.Select(entry => (int)entry.Value!), Has.No.Member(1).And.Member(0).And.Member(256));
    }

    private static (ModelGraph Graph, ModelDescription Model) Build(string name, RandomTensors weights, Precision precision, Device device)
    {
        string folder = Exporter.ShippedConfigs[name];
        ModelGraph graph = new(weights,
            ExportTarget.For(new ExportOptions { CheckpointFolder = folder, OutputFolder = "none", Precision = precision, Device = device, BlockSize = 128 }));
        HfConfig config = HfConfig.Load(folder, "config.json");
        return (graph, Exporter.Describe(config.Require<string>("model_type"), graph, config,
            Exporter.LoadImageConfig(config.Require<string>("model_type"), folder), TokenizerFile.LoadOrGenerate(folder)));
    }

    private static long Count(string name)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Exporter.ShippedConfigs[name], "config.json")));
        JsonElement c = document.RootElement;
        long Number(string key) => c.GetProperty(key).GetInt64();
        long hidden = Number("hidden_size"), heads = Number("num_attention_heads");
        bool gated = c.TryGetProperty("head_dim", out JsonElement headSize);
        long attention = gated
            ? (2 * hidden * heads * headSize.GetInt64()) + (2 * hidden * Number("num_key_value_heads") * headSize.GetInt64())
            : 4 * hidden * hidden;
        long layer = attention + ((gated ? 3 : 2) * hidden * Number("intermediate_size"));
        return (Number("num_hidden_layers") * layer) + (2 * Number("vocab_size") * hidden);
    }

    private static void CopyConfig(string from, string to, Action<JsonObject> change)
    {
        Directory.CreateDirectory(to);
        foreach (string path in Directory.GetFiles(from))
            File.Copy(path, Path.Combine(to, Path.GetFileName(path)));
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(to, "config.json")))!.AsObject();
        change(config);
        File.WriteAllText(Path.Combine(to, "config.json"), config.ToJsonString());
    }
}
