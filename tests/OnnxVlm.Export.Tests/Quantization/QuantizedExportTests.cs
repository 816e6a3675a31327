using OnnxVlm.Export.Tests.Support;

namespace OnnxVlm.Export.Tests.Quantization;

/// <summary>int8 and int4 exports against the reference, with the checkpoint's weights and with the folder's quantized weights.</summary>
[TestFixture]
public sealed class QuantizedExportTests
{
    private static readonly object[] Cases =
    [
        new object[] { Precision.Int8, 32, true },
        new object[] { Precision.Int8, 64, false },
        new object[] { Precision.Int8, 128, true },
        new object[] { Precision.Int4, 32, false },
        new object[] { Precision.Int4, 64, true },
        new object[] { Precision.Int4, 128, false },
    ];

    [TestCase(Precision.Int4, 32, 0, 2e-4)]
    [TestCase(Precision.Int4, 128, 0, 2e-4)]
    [TestCase(Precision.Int8, 64, 0, 2e-4)]
    [TestCase(Precision.Int4, 64, 4, 0.03)]
    public void Logits_ZeroPoints_MatchReferenceOnDequantizedWeights(Precision precision, int blockSize, int accuracyLevel, double tolerance)
    {
        (double toDequantized, _) = Measure(precision, blockSize, tied: false, accuracyLevel, asymmetric: true);
        Assert.That(toDequantized, Is.LessThanOrEqualTo(tolerance));
    }

    [TestCase(Precision.Int4)]
    [TestCase(Precision.Fp32)]
    public void Logits_HeadOfAnotherPrecision_MatchReferenceOnDequantizedWeights(Precision head)
    {
        (double toDequantized, _) = Measure(Precision.Int4, 32, tied: false, accuracyLevel: 0, head: head);
        Assert.That(toDequantized, Is.LessThanOrEqualTo(2e-4));
    }

    [Test]
    public void Report_TiedHeadOfAnotherPrecision_IsAMatrixOfItsOwn()
    {
        using TemporaryFolder folder = new();
        Model(tied: true).Write(folder["hf"]);
        ExportReport report = Exporter.Export(
            new ExportOptions { CheckpointFolder = folder["hf"], OutputFolder = folder["out"], Precision = Precision.Int4, Head = Precision.Int4 });
        Assert.That(report.Quantized.Single(tensor => tensor.Name == "lm_head.tied").Bits, Is.EqualTo(4));
        Assert.That(report.Quantized.Single(tensor => tensor.Name == "model.embed_tokens").Bits, Is.EqualTo(8));
        using GraphRunner graph = new(folder["out"]);
        Assert.That(graph.Run([10, 11, 12], []), Has.All.Matches<float>(float.IsFinite));
    }

    [Test]
    public void Int8Matrices_Int4_KeepEightBitsAndOthersHaveFour()
    {
        string[] kept = ["down_proj", "layers.0."];
        (double toDequantized, _) = Measure(Precision.Int4, 32, tied: false, accuracyLevel: 0, int8Matrices: kept);
        Assert.That(toDequantized, Is.LessThanOrEqualTo(2e-4));

        using TemporaryFolder folder = new();
        Model(tied: false).Write(folder["hf"]);
        ExportReport report = Exporter.Export(
            new ExportOptions { CheckpointFolder = folder["hf"], OutputFolder = folder["out"], Precision = Precision.Int4, Int8Matrices = kept });
        foreach (TensorReport tensor in report.Quantized.Where(tensor => tensor.Name.Contains(".layers.")))
            Assert.That(tensor.Bits, Is.EqualTo(kept.Any(tensor.Name.Contains) ? 8 : 4), tensor.Name);
        Assert.That(report.Quantized.Count(tensor => tensor.Bits == 4), Is.GreaterThan(0));
    }

    [TestCase(Precision.Int4, "down_porj")]
    [TestCase(Precision.Fp32, "down_proj")]
    public void Int8Matrices_NameOfNone_IsRefused(Precision precision, string name)
    {
        using TemporaryFolder folder = new();
        Model(tied: false).Write(folder["hf"]);
        ExportOptions options = new() { CheckpointFolder = folder["hf"], OutputFolder = folder["out"], Precision = precision, Int8Matrices = [name] };
        Assert.That(() => Exporter.Export(options), Throws.TypeOf<ModelLoadException>().With.Message.Contains(name));
        Assert.That(Directory.Exists(folder["out"]), Is.False);
    }

    [TestCaseSource(nameof(Cases))]
    public void Logits_ExactActivations_MatchReferenceOnDequantizedWeights(Precision precision, int blockSize, bool tied)
    {
        (double toDequantized, _) = Measure(precision, blockSize, tied, accuracyLevel: 0);
        Assert.That(toDequantized, Is.LessThanOrEqualTo(2e-4));
    }

    [TestCaseSource(nameof(Cases))]
    public void Logits_EightBitActivations_StayNearReference(Precision precision, int blockSize, bool tied)
    {
        (double toDequantized, double toCheckpoint) = Measure(precision, blockSize, tied, accuracyLevel: 4);
        Assert.That(toDequantized, Is.LessThanOrEqualTo(0.03), "parts of the largest logit: activations in 8 bits");
        Assert.That(toCheckpoint, Is.LessThanOrEqualTo(precision == Precision.Int8 ? 0.03 : 0.5),
            "parts of the largest logit: random weights are the worst case");
    }

    [Test]
    public void Report_Int4_NamesErrorOfEachMatrix()
    {
        using TemporaryFolder folder = new();
        TinyModel model = Model(tied: true);
        model.Write(folder["hf"]);
        ExportReport report = Exporter.Export(
            new ExportOptions { CheckpointFolder = folder["hf"], OutputFolder = folder["out"], Precision = Precision.Int4, BlockSize = 32 });

        // The embedding, and four matrices per layer: packed qkv, output, packed gate/up, down.
        Assert.That(report.Quantized, Has.Count.EqualTo(1 + (4 * model.Layers)));
        Assert.That(report.Quantized.Where(tensor => tensor.Bits == 8).Select(tensor => tensor.RelativeError), Is.All.InRange(1e-4, 0.01));
        Assert.That(report.Quantized.Where(tensor => tensor.Bits == 4).Select(tensor => tensor.RelativeError), Is.All.InRange(0.05, 0.1));

        // The error of all matrices of a layer together lies between the smallest and the largest of their errors.
        Assert.That(report.Layers.Select(layer => layer.Layer), Is.EqualTo(new int?[] { null }.Concat(Enumerable.Range(0, model.Layers).Select(i => (int?)i))));
        foreach (LayerReport layer in report.Layers)
        {
            TensorReport[] own = [.. report.Quantized.Where(
                tensor => layer.Layer is null ? !tensor.Name.Contains(".layers.") : tensor.Name.Contains($".layers.{layer.Layer}."))];
            Assert.That(layer.RelativeError, Is.InRange(own.Min(tensor => tensor.RelativeError), own.Max(tensor => tensor.RelativeError)));
            Assert.That(layer.Worst, Is.EqualTo(own.MaxBy(tensor => tensor.RelativeError)));
        }

        foreach (TensorReport tensor in report.Quantized)
            TestContext.Out.WriteLine($"{tensor.Name}: {tensor.Bits} bits, relative error {tensor.RelativeError:P2}, largest {tensor.MaxError:F4}");
    }

    /// <summary>Largest difference relative to the largest logit; with exact activations, the absolute one.</summary>
    private static (double ToDequantized, double ToCheckpoint) Measure(
        Precision precision, int blockSize, bool tied, int accuracyLevel, bool asymmetric = false, Precision? head = null, string[]? int8Matrices = null)
    {
        using TemporaryFolder folder = new();
        TinyModel model = Model(tied);
        model.Write(folder["hf"]);
        ExportOptions options = new()
        {
            CheckpointFolder = folder["hf"],
            OutputFolder = folder["out"],
            Precision = precision,
            BlockSize = blockSize,
            Asymmetric = asymmetric,
            Head = head,
            Int8Matrices = int8Matrices ?? [],
        };
        Exporter.Export(options, ExportTarget.For(options) with { AccuracyLevel = accuracyLevel }, progress: null, CancellationToken.None);

        Sequence sequence = new Sequence(model, 7).Text(3).Image(2, 3).Text(5);
        ReferenceDecoder reference = new(folder["hf"]);
        double[] exact = reference.Logits(sequence.Ids, sequence.Patches)[^1];
        Dequantizer.Replace(reference, folder["out"]);
        double[] dequantized = reference.Logits(sequence.Ids, sequence.Patches)[^1];
        using GraphRunner graph = new(folder["out"]);
        float[] found = graph.Run(sequence.Ids, sequence.Patches);

        double scale = exact.Max(Math.Abs);
        double toDequantized = Largest(found, dequantized), toCheckpoint = Largest(found, exact);
        TestContext.Out.WriteLine(
            $"{precision} block {blockSize}, accuracy level {accuracyLevel}: " +
            $"max |difference| {toDequantized:E2} to dequantized weights, {toCheckpoint:F3} to the checkpoint; logits up to {scale:F1}");
        return accuracyLevel == 0 ? (toDequantized, toCheckpoint) : (toDequantized / scale, toCheckpoint / scale);
    }

    private static double Largest(float[] found, double[] expected) => found.Zip(expected, (a, b) => Math.Abs(a - b)).Max();

    /// <summary>Widths with and without whole blocks: 128 and 160.</summary>
    private static TinyModel Model(bool tied) =>
        new() { Seed = 11, Hidden = 128, Intermediate = 160, Heads = 4, KeyValueHeads = 2, HeadSize = 32, Tied = tied };
}
