using OnnxVlm.Export.Tests.Support;

namespace OnnxVlm.Export.Tests.Architectures;

/// <summary>The exported fp32 graph against the managed reference.</summary>
[TestFixture]
public sealed class UnifiedDecoderTests
{
    private const double Tolerance = 1e-4;

    private static readonly TinyModel[] Models =
    [
        new(),
        new() { Seed = 2, Tied = false, DType = "F32", PatchRows = 0, PatchColumns = 0, Heads = 6, KeyValueHeads = 3, HeadSize = 32, Hidden = 80, Theta = 500 },
        new() { Seed = 3, DType = "F16", KeyValueHeads = 1, Layers = 3, PatchColumns = 0, Epsilon = 1e-5 },
        new() { Seed = 4, KeyValueHeads = 4, Layers = 1, PatchSize = 8, PatchRows = 0, Mean = [0.5, 0.5, 0.5], Std = [0.5, 0.5, 0.5] },
    ];

    [TestCaseSource(nameof(Models))]
    public void Logits_TextOnly_MatchReference(object model) => Compare((TinyModel)model, sequence => sequence.Text(9));

    [TestCaseSource(nameof(Models))]
    public void Logits_OneImage_MatchReference(object model) => Compare((TinyModel)model, sequence => sequence.Image(3, 5).Text(6));

    [TestCaseSource(nameof(Models))]
    public void Logits_TwoImages_MatchReference(object model) =>
        Compare((TinyModel)model, sequence => sequence.Text(2).Image(2, 3).Text(4).Image(4, 1).Text(3));

    [TestCaseSource(nameof(Models))]
    public void Logits_PrefillThenDecode_MatchOnePass(object model) => Compare((TinyModel)model, sequence => sequence.Image(2, 4).Text(9), 14, 15, 16, 17, 18);

    [TestCaseSource(nameof(Models))]
    public void Logits_ImageInSecondTurn_MatchReference(object model) =>
        Compare((TinyModel)model, sequence => sequence.Image(1, 3).Text(5).Image(3, 2).Text(4), 6, 9, 10, 11);

    [Test]
    public void Logits_TokenByToken_MatchReference()
    {
        TinyModel model = new() { Seed = 9 };
        Compare(model, sequence => sequence.Text(2).Image(2, 2).Text(3), [.. Enumerable.Range(1, 12)]);
    }

    [Test]
    public void Logits_TwoSequencesAtOnce_MatchReference()
    {
        TinyModel model = new() { Seed = 6 };
        using TemporaryFolder folder = new();
        model.Write(folder["hf"]);
        Exporter.Export(new ExportOptions { CheckpointFolder = folder["hf"], OutputFolder = folder["out"] });
        Sequence[] sequences = [new Sequence(model, 1).Text(3).Image(2, 2).Text(2), new Sequence(model, 2).Image(1, 3).Text(6)];
        Assert.That(sequences[1].Ids, Has.Count.EqualTo(sequences[0].Ids.Count - 1));
        sequences[1].Text(1);
        ReferenceDecoder reference = new(folder["hf"]);
        double[][][] expected = [.. sequences.Select(sequence => reference.Logits(sequence.Ids, sequence.Patches))];

        int last = sequences[0].Ids.Count - 1;
        using GraphRunner graph = new(folder["out"], batch: 2);
        float[] prefill = graph.Run([.. sequences.SelectMany(sequence => sequence.Ids[..last])], [.. sequences.SelectMany(sequence => sequence.Patches)]);
        Assert.That(prefill, Is.EqualTo(expected.SelectMany(rows => rows[last - 1])).Within(Tolerance));
        float[] decode = graph.Run([.. sequences.Select(sequence => sequence.Ids[last])], []);
        Assert.That(decode, Is.EqualTo(expected.SelectMany(rows => rows[last])).Within(Tolerance));
    }

    [Test]
    public void Logits_ShardedCheckpoint_EqualSingleFile()
    {
        TinyModel model = new() { Seed = 5, Tied = false };
        using TemporaryFolder folder = new();
        model.Write(folder["one"]);
        model.Write(folder["many"], shards: 3);
        Exporter.Export(new ExportOptions { CheckpointFolder = folder["one"], OutputFolder = folder["a"] });
        Exporter.Export(new ExportOptions { CheckpointFolder = folder["many"], OutputFolder = folder["b"] });
        Assert.That(File.ReadAllBytes(Path.Combine(folder["b"], "model.onnx.data")),
            Is.EqualTo(File.ReadAllBytes(Path.Combine(folder["a"], "model.onnx.data"))));
    }

    /// <summary>Feeds the sequence in parts that end at the given positions, and at its end, and compares the logits after each part.</summary>
    private static void Compare(TinyModel model, Action<Sequence> write, params int[] ends)
    {
        using TemporaryFolder folder = new();
        model.Write(folder["hf"]);
        Exporter.Export(new ExportOptions { CheckpointFolder = folder["hf"], OutputFolder = folder["out"] });
        Sequence sequence = new(model, model.Seed + 100);
        write(sequence);
        double[][] expected = new ReferenceDecoder(folder["hf"]).Logits(sequence.Ids, sequence.Patches);

        using GraphRunner graph = new(folder["out"]);
        double largest = 0;
        int start = 0;
        foreach (int end in ends.Append(sequence.Ids.Count))
        {
            (List<long> ids, List<(byte[] Pixels, int Column, int Row)> patches) = sequence.Part(start, end);
            float[] logits = graph.Run(ids, patches);
            largest = Math.Max(largest, logits.Zip(expected[end - 1], (found, wanted) => Math.Abs(found - wanted)).Max());
            start = end;
        }

        TestContext.Out.WriteLine($"max |difference| {largest:E2}, logits up to {expected[^1].Max(Math.Abs):F1}");
        Assert.That(largest, Is.LessThanOrEqualTo(Tolerance));
    }
}
