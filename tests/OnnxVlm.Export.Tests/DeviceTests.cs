using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Onnx.Proto;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Tests;

/// <summary>The graph of each device. All of them also run on the CPU, so that their logits can be compared with the reference here.</summary>
[TestFixture]
public sealed class DeviceTests : ExportFixture
{
    [TestCase(Precision.Int4)]
    [TestCase(Precision.Int8)]
    public void Cpu_Quantized_PackedWithEightBitProducts(Precision precision)
    {
        GraphProto graph = Export(Device.Cpu, precision);
        Assert.Multiple(() =>
        {
            Assert.That(Attributes(graph, "MatMulNBits", "accuracy_level"), Is.All.EqualTo(4));
            Assert.That(Attributes(graph, "GroupQueryAttention", "do_rotary"), Is.All.EqualTo(1));
            Assert.That(Nodes(graph, "GroupQueryAttention").Select(node => (node.Input[1], node.Input[2])), Is.All.EqualTo(("", "")), "q, k and v packed");
            Assert.That(Nodes(graph, "RotaryEmbedding"), Is.Empty);
            Assert.That(Nodes(graph, "GatherBlockQuantized"), Has.Count.EqualTo(1));
            Assert.That(TypeOf(graph, ".scales"), Is.All.EqualTo((int)ElementType.Float32));
            Assert.That(ModelManifest.Load(Folder["out"]).Device, Is.Null);
        });
    }

    [TestCase(Precision.Int4)]
    [TestCase(Precision.Int8)]
    public void Cuda_Quantized_PackedInHalfPrecision(Precision precision)
    {
        GraphProto graph = Export(Device.Cuda, precision);
        Assert.Multiple(() =>
        {
            Assert.That(Attributes(graph, "MatMulNBits", "accuracy_level"), Is.All.EqualTo(0));
            Assert.That(Attributes(graph, "GroupQueryAttention", "do_rotary"), Is.All.EqualTo(1));
            Assert.That(Nodes(graph, "GroupQueryAttention").Select(node => (node.Input[1], node.Input[2])), Is.All.EqualTo(("", "")));
            Assert.That(TypeOf(graph, ".scales"), Is.All.EqualTo((int)ElementType.Float16));
            Assert.That(CacheTypes(graph), Is.All.EqualTo((int)ElementType.Float16));
            Assert.That(graph.Output.Single(output => output.Name == "logits").Type.TensorType.ElemType, Is.EqualTo((int)ElementType.Float32));
            Assert.That(ModelManifest.Load(Folder["out"]).Device, Is.EqualTo("cuda"));
        });
    }

    [TestCase(Precision.Int4)]
    [TestCase(Precision.Fp16)]
    public void DirectMl_SeparateMatricesAndRotations(Precision precision)
    {
        GraphProto graph = Export(Device.DirectMl, precision);
        Assert.Multiple(() =>
        {
            Assert.That(Attributes(graph, "MatMulNBits", "accuracy_level"), Is.All.EqualTo(0));
            Assert.That(Attributes(graph, "GroupQueryAttention", "do_rotary"), Is.All.EqualTo(0));
            Assert.That(Nodes(graph, "GroupQueryAttention").Select(node => node.Input[1].Length * node.Input[2].Length), Is.All.GreaterThan(0));
            Assert.That(Nodes(graph, "GroupQueryAttention").Select(node => node.Input.Count), Is.All.EqualTo(7), "no rotary tables");
            Assert.That(Nodes(graph, "RotaryEmbedding"), Has.Count.EqualTo(2 * new TinyModel().Layers));
            Assert.That(Nodes(graph, "GatherBlockQuantized"), Is.Empty);
            Assert.That(CacheTypes(graph), Is.All.EqualTo((int)ElementType.Float16));
            Assert.That(ModelManifest.Load(Folder["out"]).Device, Is.EqualTo("directml"));
        });
    }

    [TestCase(Device.Cuda, Precision.Fp32, 1e-4)]
    [TestCase(Device.DirectMl, Precision.Fp32, 1e-4)]
    [TestCase(Device.Cuda, Precision.Fp16, 0.1)]
    [TestCase(Device.DirectMl, Precision.Fp16, 0.1)]
    public void Logits_GraphsOfOtherDevices_MatchReference(Device device, Precision precision, double tolerance)
    {
        Export(device, precision);
        Sequence sequence = new Sequence(new TinyModel(), 3).Image(2, 3).Text(6);
        double[][] expected = new ReferenceDecoder(Folder["hf"]).Logits(sequence.Ids, sequence.Patches);
        using GraphRunner graph = new(Folder["out"]);
        int prefill = sequence.Ids.Count - 2;
        (List<long> ids, List<(byte[] Pixels, int Column, int Row)> patches) = sequence.Part(0, prefill);
        Assert.That(graph.Run(ids, patches), Is.EqualTo(expected[prefill - 1]).Within(tolerance));
        for (int i = prefill; i < sequence.Ids.Count; i++)
            Assert.That(graph.Run([sequence.Ids[i]], []), Is.EqualTo(expected[i]).Within(tolerance));
    }

    [Test]
    public void Logits_SeparateMatricesForTheCpu_MatchReference()
    {
        new TinyModel().Write(Folder["hf"]);
        Exporter.Export(Options with { Pack = false });
        GraphProto graph = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Folder["out"], "model.onnx"))).Graph;
        Assert.That(Nodes(graph, "FusedMatMul"), Has.Count.EqualTo((7 * new TinyModel().Layers) + 1), "the head's too");
        Assert.That(Attributes(graph, "GroupQueryAttention", "do_rotary"), Is.All.EqualTo(1));
        long[] ids = [7, 8, 9, 10, 11];
        double[][] expected = new ReferenceDecoder(Folder["hf"]).Logits(ids, []);
        using GraphRunner runner = new(Folder["out"]);
        Assert.That(runner.Run(ids[..4], []), Is.EqualTo(expected[3]).Within(1e-4));
        Assert.That(runner.Run(ids[4..], []), Is.EqualTo(expected[4]).Within(1e-4));
    }

    [TestCase(Device.Cpu, 0)]
    [TestCase(Device.Cuda, 4)]
    public void Fuyu_Quantized_BiasIsPartOfTheProductWhereTheDeviceAddsIt(Device device, int additionsPerLayer)
    {
        TinyFuyu fuyu = new();
        fuyu.Write(Folder["hf"]);
        Exporter.Export(Options with { Device = device, Precision = Precision.Int8, Asymmetric = true });
        GraphProto graph = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Folder["out"], "model.onnx"))).Graph;
        Assert.That(Nodes(graph, "Add").Count(node => node.Name.Contains("layers", StringComparison.Ordinal)), Is.EqualTo(additionsPerLayer * fuyu.Layers));
        Assert.That(Nodes(graph, "MatMulNBits").Where(node => node.Name.Contains("layers", StringComparison.Ordinal)).Select(node => node.Input.Count),
            Is.All.EqualTo(device == Device.Cpu ? 6 : 4));
        long[] ids = [5, 6, 7, 8, 9];
        double[] expected = new ReferencePersimmon(Folder["hf"], fuyu.Config()).Logits(ids, [])[^1];
        using GraphRunner runner = new(Folder["out"]);
        Assert.That(runner.Run(ids, []), Is.EqualTo(expected).Within(0.05 * expected.Max(Math.Abs)));
    }

    [Test]
    public void Logits_FuyuForDirectMl_MatchReference()
    {
        TinyFuyu fuyu = new() { Seed = 12 };
        fuyu.Write(Folder["hf"]);
        Exporter.Export(Options with { Device = Device.DirectMl });
        long[] ids = [5, 6, 7, 8, 9, 10, 11];
        double[][] expected = new ReferencePersimmon(Folder["hf"], fuyu.Config()).Logits(ids, []);
        using GraphRunner graph = new(Folder["out"]);
        Assert.That(graph.Run(ids[..5], []), Is.EqualTo(expected[4]).Within(1e-4));
        Assert.That(graph.Run(ids[5..6], []), Is.EqualTo(expected[5]).Within(1e-4));
        Assert.That(graph.Run(ids[6..7], []), Is.EqualTo(expected[6]).Within(1e-4));
    }

    private GraphProto Export(Device device, Precision precision)
    {
        new TinyModel().Write(Folder["hf"]);
        Exporter.Export(Options with { Device = device, Precision = precision });
        return ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Folder["out"], "model.onnx"))).Graph;
    }

    private static List<NodeProto> Nodes(GraphProto graph, string op) => [.. graph.Node.Where(node => node.OpType == op)];

    private static IEnumerable<long> Attributes(GraphProto graph, string op, string name) =>
        Nodes(graph, op).Select(node => node.Attribute.Single(attribute => attribute.Name == name).I);

    private static IEnumerable<int> TypeOf(GraphProto graph, string nameEnd) =>
        graph.Initializer.Where(tensor => tensor.Name.EndsWith(nameEnd, StringComparison.Ordinal)).Select(tensor => tensor.DataType);

    private static IEnumerable<int> CacheTypes(GraphProto graph) =>
        graph.Input.Where(input => input.Name.StartsWith("past_key_values.", StringComparison.Ordinal)).Select(input => input.Type.TensorType.ElemType);
}
