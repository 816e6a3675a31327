using System.Text.Json.Nodes;
using OnnxVlm.Export.Onnx.Proto;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Tests.Architectures;

/// <summary>Exported qwen3_5 graphs against the managed reference, and what the exporter accepts and refuses.</summary>
[TestFixture]
public sealed class Qwen35Tests : ExportFixture
{
    private static readonly TinyQwen[] Models =
    [
        new(),
        new()
        {
            Seed = 2,
            Kinds = "flflf",
            Heads = 3,
            KeyValueHeads = 1,
            HeadSize = 24,
            RotaryFactor = 0.25,
            Sections = [1, 1, 1],
            KeyHeads = 3,
            ValueHeads = 3,
            KeySize = 5,
            ValueSize = 7,
            Kernel = 2,
            DType = "BF16",
            Shards = 2,
            Tied = false,
        },
        new()
        {
            Seed = 3,
            Kinds = null,
            HeadSize = 16,
            RotaryFactor = 1,
            Sections = [4, 2, 2],
            KeyHeads = 1,
            ValueHeads = 6,
            KeySize = 16,
            ValueSize = 4,
            Kernel = 3,
            VisionHeads = 2,
            VisionWidth = 40,
            Places = 3,
            Is36 = true,
            Shards = 3,
            DType = "F16",
        },
        new()
        {
            Seed = 4,
            Kinds = "lf",
            Hidden = 72,
            Heads = 6,
            KeyValueHeads = 3,
            Kernel = 5,
            VisionWidth = 144,
            VisionHeads = 2,
            VisionDepth = 1,
            Merge = 1,
            SquareSize = 7,
            Places = 9,
            Frames = 1,
            Theta = 100,
        },
        new() { Seed = 5, Kinds = "llf", Sections = [8, 0, 0], KeyHeads = 4, ValueHeads = 4, Merge = 3, Frames = 3, Tied = false, Is36 = true },
    ];

    [TestCaseSource(nameof(Models))]
    public void Logits_TextAndImages_MatchReference(object model)
    {
        var qwen = (TinyQwen)model;
        qwen.Write(Folder["hf"]);
        Exporter.Export(Options);
        QwenSequence sequence = Conversation(qwen);
        Assert.That(LargestInPieces(sequence, sequence.Expected(new ReferenceQwen(Folder["hf"]))), Is.LessThanOrEqualTo(2e-4));
    }

    // Also the graphs for other devices, and with separate matrices.
    [TestCase(Device.Cuda, Precision.Fp32, true, 1e-4)]
    [TestCase(Device.Cpu, Precision.Fp32, false, 1e-4)]
    [TestCase(Device.Cuda, Precision.Fp16, true, 0.25)]
    [TestCase(Device.DirectMl, Precision.Fp32, true, 1e-4)]
    [TestCase(Device.DirectMl, Precision.Fp16, true, 0.25)]
    public void Logits_GraphsOfOtherDevices_MatchReference(Device device, Precision precision, bool pack, double tolerance)
    {
        TinyQwen qwen = new() { Seed = 7 };
        qwen.Write(Folder["hf"]);
        Exporter.Export(Options with { Device = device, Precision = precision, Pack = pack });
        QwenSequence sequence = Conversation(qwen);
        Assert.That(LargestInPieces(sequence, sequence.Expected(new ReferenceQwen(Folder["hf"]))), Is.LessThanOrEqualTo(tolerance));
        string[] fused = ["LinearAttention", "LinearAttentionGate", "CausalConvWithState", "GatedRMSNorm"];
        IEnumerable<string> used = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Folder["out/model.onnx"])).Graph.Node.Select(node => node.OpType)
            .Intersect(fused);
        Assert.That(used, device == Device.DirectMl ? Is.Empty : Is.EquivalentTo(fused), "the last runtime for DirectML has none of them");
    }

    // With random weights, an error grows with the states from layer to layer.
    [TestCase(Precision.Int8, 0.1)]
    [TestCase(Precision.Int4, 0.6)]
    public void Logits_Quantized_StayNearReferenceWithWhatIsSensitiveWide(Precision precision, double share)
    {
        TinyQwen qwen = new() { Seed = 8 };
        qwen.Write(Folder["hf"]);
        ExportReport report = Exporter.Export(Options with { Precision = precision });
        QwenSequence sequence = Conversation(qwen);
        double[][] expected = sequence.Expected(new ReferenceQwen(Folder["hf"]));
        using (GraphRunner graph = new(Folder["out"]))
        {
            float[] found = graph.Run(sequence.Ids, sequence.Patches(0, sequence.Pieces.Count));
            double error = Math.Sqrt(found.Zip(expected[^1], (a, b) => (a - b) * (a - b)).Sum() / expected[^1].Sum(b => b * b));
            TestContext.Out.WriteLine($"{precision}: {error:F4} of the logits");
            Assert.That(error, Is.LessThanOrEqualTo(share));
        }

        Assert.That(report.Quantized.Select(tensor => tensor.Name), Has.Some.Contains("in_proj_qkvz").And.Some.Contains(
            "visual.blocks").And.None.Contains("in_proj_ab").And.None.Contains("conv1d").And.None.Contains("norm").And.None.Contains("patch_embed"));
        Assert.That(report.Quantized.Where(tensor => tensor.Name.Contains("visual", StringComparison.Ordinal)).Select(tensor => tensor.Bits),
            Has.All.EqualTo(8));
    }

    [TestCase(1)]
    [TestCase(3)]
    [TestCase(32)]
    public void Logits_TextInChunks_EqualOnePass(int chunk)
    {
        TinyQwen qwen = new() { Seed = 9 };
        qwen.Write(Folder["hf"]);
        Exporter.Export(Options);
        long[] ids = [.. new QwenSequence(qwen, 3).Text(70).Ids];
        double[][] expected = new ReferenceQwen(Folder["hf"]).Logits(ids, []);
        using GraphRunner graph = new(Folder["out"]);
        int read = 0;
        foreach (long[] part in ids.Chunk(chunk))
        {
            read += part.Length;
            Assert.That(Largest(graph.Run(part, []), expected[read - 1]), Is.LessThanOrEqualTo(1e-4), $"after {read} tokens");
        }
    }

    [Test]
    public void Manifest_KnowsTheStateAndTheImageRule()
    {
        TinyQwen qwen = new();
        qwen.Write(Folder["hf"]);
        Exporter.Export(Options);
        var manifest = ModelManifest.Load(Folder["out"]);
        Assert.Multiple(() =>
        {
            // Three layers have states of 4 heads and the convolution's last inputs; one layer has keys and values.
            Assert.That(manifest.StateElements, Is.EqualTo(3 * ((4 * 8 * 12) + (3 * ((2 * 2 * 8) + (4 * 12))))));
            Assert.That(manifest.CacheNumbersPerToken, Is.EqualTo(2 * 2 * 32));
            Assert.That(manifest.Image.Resize.Rule, Is.EqualTo(ResizeMode.SmartResizeWithoutFloor));
            Assert.That(manifest.EndTokenIds, Is.EqualTo(new[] { TinyQwen.EndToken }));
        });
    }

    [TestCase("text_config", "sliding_window", "7", "sliding_window")]
    [TestCase("text_config", "hidden_act", "\"gelu\"", "hidden_act: only silu")]
    [TestCase("text_config", "attn_output_gate", "false", "attn_output_gate")]
    [TestCase("text_config", "output_gate_type", "\"sigmoid\"", "output_gate_type: only swish")]
    [TestCase("text_config", "mamba_ssm_dtype", "\"bfloat16\"", "mamba_ssm_dtype")]
    [TestCase("text_config", "mlp_only_layers", "[1]", "mlp_only_layers")]
    [TestCase("text_config", "layer_types", "[\"full_attention\"]", "layer_types")]
    [TestCase("text_config", "num_experts", "8", "num_experts")]
    [TestCase("vision_config", "deepstack_visual_indexes", "[5]", "deepstack_visual_indexes")]
    [TestCase("vision_config", "hidden_act", "\"silu\"", "hidden_act: only gelu_pytorch_tanh")]
    [TestCase("vision_config", "window_size", "112", "window_size")]
    public void Export_WhatIsNotImplemented_RefusedByName(string section, string key, string value, string message)
    {
        Write(config => config[section]![key] = JsonNode.Parse(value));
        Assert.That(() => Exporter.Export(Options), Throws.InstanceOf<UnsupportedModelException>().With.Message.Contains(message));
    }

    [TestCase("text_config", "linear_num_value_heads", 3)]
    [TestCase("text_config", "num_attention_heads", 3)]
    [TestCase("vision_config", "num_position_embeddings", 24)]
    [TestCase("vision_config", "spatial_merge_size", 3)]
    [TestCase("vision_config", "out_hidden_size", 40)]
    public void Export_ImpossibleValue_RefusedByName(string section, string key, int value)
    {
        Write(config => config[section]![key] = value);
        Assert.That(() => Exporter.Export(Options), Throws.InstanceOf<VlmException>().With.Message.Contains(key is "spatial_merge_size" ? "merge_size" : key));
    }

    private void Write(Action<JsonObject> change)
    {
        TinyQwen qwen = new();
        qwen.Write(Folder["hf"]);
        JsonObject config = qwen.Config();
        change(config);
        File.WriteAllText(Path.Combine(Folder["hf"], "config.json"), config.ToJsonString());
    }

    private static QwenSequence Conversation(TinyQwen qwen) =>
        new QwenSequence(qwen, 5).Text(4).Image(2, 3).Text(3).Image(1, 1).Image(3, 2).Text(2).Image(1, 4).Text(6);

    /// <summary>Two pieces at a time, so that a run has text before its image, or several images; then token by token.</summary>
    private double LargestInPieces(QwenSequence sequence, double[][] expected)
    {
        double largest = 0;
        using GraphRunner graph = new(Folder["out"]);
        int read = 0;
        for (int piece = 0; piece < sequence.Pieces.Count - 1; piece += 2)
        {
            long[] ids = [.. sequence.Pieces[piece..(piece + 2)].SelectMany(part => part)];
            graph.PositionOffset = sequence.Offset(piece);
            read += ids.Length;
            largest = Math.Max(largest, Largest(graph.Run(ids, sequence.Patches(piece, piece + 2)), expected[read - 1]));
        }

        graph.PositionOffset = sequence.Offset(sequence.Pieces.Count);
        foreach (long id in sequence.Ids[read..])
            largest = Math.Max(largest, Largest(graph.Run([id], []), expected[read++]));
        Assert.That(read, Is.EqualTo(sequence.Length));

        using GraphRunner atOnce = new(Folder["out"]);
        return Math.Max(largest, Largest(atOnce.Run(sequence.Ids, sequence.Patches(0, sequence.Pieces.Count)), expected[^1]));
    }
}
