using OnnxVlm.Export.Inspection;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Tests;

[TestFixture]
public sealed class ModelInspectorTests : ExportFixture
{
    [TestCase(Precision.Fp32, true)]
    [TestCase(Precision.Int4, true)]
    [TestCase(Precision.Int4, false)]
    [TestCase(Precision.Int8, false)]
    public void Inspect_Export_CountsEveryWeightOnce(Precision precision, bool tied)
    {
        TinyModel model = new() { Tied = tied };
        ExportReport report = Export(model, precision);
        ModelSummary summary = ModelInspector.Inspect(Folder["out"]);
        Assert.Multiple(() =>
        {
            Assert.That(summary.Parameters, Is.EqualTo(report.Parameters));
            Assert.That(summary.SizeBytes, Is.InRange(0.75 * new FileInfo(Path.Combine(Folder["out"], "model.onnx.data")).Length,
                new FileInfo(Path.Combine(Folder["out"], "model.onnx.data")).Length));
            Assert.That(summary.FusedOperators["GroupQueryAttention"], Is.EqualTo(model.Layers));
            Assert.That(summary.CacheBytesPerToken, Is.EqualTo(2 * model.Layers * model.KeyValueHeads * model.HeadSize * sizeof(float)));
            Assert.That(summary.Inputs.Select(input => input.Name), Is.EqualTo(new[] { "input_ids", "attention_mask", "patches", "patch_count", "patch_xy" }));
            Assert.That(summary.Outputs.Single().Type, Is.EqualTo($"fp32 [batch, 1, {model.Vocabulary}]"));
        });
    }

    [TestCase(Precision.Fp32)]
    [TestCase(Precision.Int4)]
    public void Inspect_TiedHeadInOtherBits_IsStoredAndReadButNoParameterOfItsOwn(Precision head)
    {
        TinyModel model = new() { Tied = true };
        ExportReport report = Export(model, Precision.Int4, head: head);
        ModelSummary summary = ModelInspector.Inspect(Folder["out"]);
        Assert.Multiple(() =>
        {
            Assert.That(summary.Parameters, Is.EqualTo(report.Parameters));
            Assert.That(summary.Weights.Single(group => group.Layer == "head, tied").Numbers, Is.EqualTo(model.Vocabulary * model.Hidden));
        });
    }

    [TestCase(Precision.Fp32)]
    [TestCase(Precision.Int4)]
    public void Inspect_MatricesWithBiases_BiasesAreParameters(Precision precision)
    {
        TinyFuyu model = new();
        model.Write(Folder["hf"]);
        ExportReport report = Exporter.Export(Options with { Precision = precision });
        Assert.That(ModelInspector.Inspect(Folder["out"]).Parameters, Is.EqualTo(report.Parameters));
    }

    [Test]
    public void Inspect_Int4_NamesStorageOfEachKindOfLayer()
    {
        Export(new TinyModel { Tied = false }, Precision.Int4);
        var storage = ModelInspector.Inspect(Folder["out"]).Weights.ToLookup(group => group.Layer, group => group.Storage);
        Assert.Multiple(() =>
        {
            Assert.That(storage["attention"], Is.EqualTo(new[] { "int4, block 32" }));
            Assert.That(storage["feed-forward"], Is.EqualTo(new[] { "int4, block 32" }));
            Assert.That(storage["head"], Is.EqualTo(new[] { "int8, block 32" }));
            Assert.That(storage["embedding"], Is.EqualTo(new[] { "int8, block 32" }));
            Assert.That(storage["norm"], Is.EqualTo(new[] { "fp32" }));
            Assert.That(storage["patch projection"], Is.EqualTo(new[] { "fp32" }));
            Assert.That(storage["other"], Is.Empty);
        });
    }

    [Test]
    public void Inspect_BytesPerToken_AreMatricesNormsAndHead()
    {
        TinyModel model = new() { Tied = true };
        Export(model, Precision.Fp32);
        long layer = (model.Hidden * (model.Heads + (2 * model.KeyValueHeads)) * model.HeadSize)
            + (model.Heads * model.HeadSize * model.Hidden) + (3 * model.Hidden * model.Intermediate);
        long norms = ((2 * model.Layers) + 1) * model.Hidden;
        long expected = ((model.Layers * layer) + norms + (model.Vocabulary * model.Hidden)) * sizeof(float);
        Assert.That(ModelInspector.Inspect(Folder["out"]).WeightBytesPerToken, Is.EqualTo(expected));
    }

    [TestCase(Precision.Int4, 32)]
    [TestCase(Precision.Int4, 64)]
    [TestCase(Precision.Int8, 32)]
    public void Inspect_Quantized_HasAFloatForEachBlockOfEachMatrix(Precision precision, int blockSize)
    {
        TinyModel model = new() { Tied = true };
        Export(model, precision, blockSize: blockSize);
        int heads = model.Heads * model.HeadSize, keyValues = model.KeyValueHeads * model.HeadSize;
        long blocks = (model.Layers * (Blocks(model.Hidden, heads + (2 * keyValues))
            + Blocks(heads, model.Hidden) + Blocks(model.Hidden, 2 * model.Intermediate) + Blocks(model.Intermediate, model.Hidden)))
            + Blocks(model.Hidden, model.Vocabulary);
        Assert.That(ModelInspector.Inspect(Folder["out"]).BlockSumBytesPerToken, Is.EqualTo(blocks * sizeof(float)));

        long Blocks(int inputs, int outputs) => (long)outputs * ((inputs + blockSize - 1) / blockSize);
    }

    [Test]
    public void Inspect_NotQuantized_HasNoBlockSums()
    {
        Export(new TinyModel(), Precision.Fp32);
        Assert.That(ModelInspector.Inspect(Folder["out"]).BlockSumBytesPerToken, Is.Zero);
    }

    [Test]
    public void Inspect_GraphForGpu_HasHalfTheCache()
    {
        TinyModel model = new();
        Export(model, Precision.Int4, Device.Cuda);
        Assert.That(ModelInspector.Inspect(Folder["out"]).CacheBytesPerToken, Is.EqualTo(2 * model.Layers * model.KeyValueHeads * model.HeadSize * 2));
    }

    [TestCase("not a graph")]
    [TestCase("")]
    public void Inspect_NotAGraph_SaysSo(string content)
    {
        File.WriteAllText(Path.Combine(Folder.Path, "model.onnx"), content);
        Assert.That(() => ModelInspector.Inspect(Folder.Path), Throws.TypeOf<ModelLoadException>().With.Message.Contains("model.onnx"));
    }

    private ExportReport Export(TinyModel model, Precision precision, Device device = Device.Cpu, int blockSize = 32, Precision? head = null)
    {
        model.Write(Folder["hf"]);
        return Exporter.Export(Options with { Precision = precision, Device = device, BlockSize = blockSize, Head = head });
    }
}
