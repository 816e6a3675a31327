using Microsoft.ML.OnnxRuntime;
using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Tests.Blocks;

/// <summary>One attention layer with images, run in pieces with its cache, against the definition of the mask.</summary>
[TestFixture]
public sealed class ImageAttentionTests : ExportFixture
{
    private const int Heads = 4, KeyValueHeads = 2, ImageToken = 9;
    private const double Theta = 100;

    // Two images with a token between them, later another image, and text around them.
    private static readonly long[] Ids = [1, 2, 3, 4, 5, 9, 9, 9, 9, 6, 9, 9, 9, 1, 2, 3, 4, 9, 9, 9, 9, 9, 9, 9, 5, 6];

    private static readonly int[] Pieces = [4, 10, 1, 1, 8, 1, 1];

    [TestCase(16, 16, null, true, Device.Cpu)]
    [TestCase(16, 16, 6, true, Device.Cpu)]
    [TestCase(16, 16, 3, true, Device.Cpu)]
    [TestCase(24, 24, 6, true, Device.Cpu)]
    [TestCase(8, 8, 100, true, Device.Cpu)]
    [TestCase(32, 16, null, false, Device.Cpu)]
    [TestCase(24, 12, null, false, Device.Cpu)]
    [TestCase(16, 16, 6, true, Device.DirectMl)]
    [TestCase(24, 24, 6, true, Device.DirectMl)]
    [TestCase(32, 16, null, false, Device.DirectMl)]
    public void Apply_ImagesAndTextInPieces_MatchesDefinition(int headSize, int valueSize, int? window, bool rotates, Device device)
    {
        AttentionShape shape = new(1, Heads, KeyValueHeads, headSize) { Scale = 0.4f, ValueSize = valueSize, Window = window, FillHalves = rotates };
        Assert.That(Largest(shape, rotates, device, Precision.Fp32, Expected(shape, rotates, twoWays: true)), Is.LessThanOrEqualTo(2e-6));
    }

    [TestCase(Device.Cpu)]
    [TestCase(Device.DirectMl)]
    public void Apply_Fp16_StaysNearDefinition(Device device)
    {
        AttentionShape shape = new(1, Heads, KeyValueHeads, 16) { Window = 6 };
        Assert.That(Largest(shape, rotates: true, device, Precision.Fp16, Expected(shape, rotates: true, twoWays: true)), Is.LessThanOrEqualTo(4e-3));
    }

    [Test]
    public void Apply_CausalDefinition_IsFarOff()
    {
        // The comparisons above would prove nothing if the mask changed little.
        AttentionShape shape = new(1, Heads, KeyValueHeads, 16) { Scale = 0.4f };
        Assert.That(Largest(shape, rotates: true, Device.Cpu, Precision.Fp32, Expected(shape, rotates: true, twoWays: false)), Is.GreaterThan(0.1));
    }

    private double Largest(AttentionShape shape, bool rotates, Device device, Precision precision, double[][] expected)
    {
        Build(shape, rotates, ExportTarget.For(new ExportOptions { CheckpointFolder = "none", OutputFolder = "none", Device = device, Precision = precision }));
        double largest = 0;
        using InferenceSession session = new(Folder["model.onnx"]);
        using RunOptions options = new();
        string output = session.OutputNames.Single(name => !name.StartsWith("present", StringComparison.Ordinal));
        OrtValue[] past = [.. Enumerable.Range(0, 2).Select(_ => Empty(session, shape))];
        int start = 0;
        foreach (int length in Pieces)
        {
            long[] ids = Ids[start..(start + length)];
            int patches = ids.Count(id => id == ImageToken);
            OrtValue[] inputs =
            [
                OrtValue.CreateTensorValueFromMemory(ids, [1, length]),
                OrtValue.CreateTensorValueFromMemory(Enumerable.Repeat(1L, start + length).ToArray(), [1, start + length]),
                OrtValue.CreateTensorValueFromMemory(new byte[3 * (patches + 1)], [patches + 1, 3]),
                OrtValue.CreateTensorValueFromMemory(new long[] { patches }, [1]),
                Rows(0, Heads * shape.HeadSize), Rows(1, KeyValueHeads * shape.HeadSize), Rows(2, KeyValueHeads * shape.ValueSize),
                .. past,
            ];
            string[] names = ["input_ids", "attention_mask", "patches", "patch_count", "q", "k", "v", "past_key_values.0.key", "past_key_values.0.value"];
            IDisposableReadOnlyCollection<OrtValue> results = session.Run(options, names, inputs, [output, "present.0.key", "present.0.value"]);
            float[] found = results[0].GetTensorDataAsSpan<float>().ToArray();
            int width = Heads * shape.ValueSize;
            for (int i = 0; i < found.Length; i++)
                largest = Math.Max(largest, Math.Abs(found[i] - expected[start + (i / width)][i % width]));
            foreach (OrtValue value in inputs)
                value.Dispose();
            results[0].Dispose();
            past = [results[1], results[2]];
            start += length;
        }

        foreach (OrtValue value in past)
            value.Dispose();
        Assert.That(start, Is.EqualTo(Ids.Length));
        TestContext.Out.WriteLine($"max |difference| {largest:E2}");
        return largest;

        OrtValue Rows(int which, int width) => OrtValue.CreateTensorValueFromMemory(
            Ids.Index().Skip(start).Take(Pieces[PieceAt(start)])
            .SelectMany(token => Numbers(which, token.Index, width)).Select(number => (float)number).ToArray(), [1, Pieces[PieceAt(start)], width]);
    }

    private void Build(AttentionShape shape, bool rotates, ExportTarget target)
    {
        using RandomTensors weights = new(1);
        ModelGraph model = new(weights, target);
        GraphBuilder g = model.Graph;
        PatchInputs images = new(model, ImageToken, width: 3, hasPositions: false);
        SequenceLengths lengths = SequenceLengths.Create(model, withPast: true);
        RotaryTables? rotary = rotates
            ? RotaryTables.Create(model, "rotary", RotaryTables.Frequencies(Theta, shape.HeadSize), positions: 64, shape.StoredHeadSize / 2)
            : null;
        ImageAttention attention = new(model, images, lengths, shape.Window);
        Value attended = model.Attend(
            "layer", 0, Rows("q", Heads * shape.HeadSize), Rows("k", KeyValueHeads * shape.HeadSize), Rows("v", KeyValueHeads * shape.ValueSize), shape, rotary,
            lengths, attention);
        g.Output(g.Cast("attended", attended, ElementType.Float32), "batch", "sequence", Heads * shape.ValueSize);
        g.Save(Folder["model.onnx"], "test");
        using var data = ExternalDataFile.Create(Folder[GraphBuilder.DataFile], g.DataBytes);
        data.WriteAll(g.Sources, progress: null, CancellationToken.None);

        Value Rows(string name, int width) => g.Cast(name, g.Input(name, ElementType.Float32, "batch", "sequence", width), model.Type);
    }

    private static double[][] Expected(AttentionShape shape, bool rotates, bool twoWays)
    {
        double[][] Heads(int which, int heads, int size) =>
            [.. Ids.Index().SelectMany(
                token => Numbers(which, token.Index, heads * size).Chunk(size).Select(head => which < 2 && rotates ? Rotate(head, token.Index) : head))];
        double[][] q = Heads(0, ImageAttentionTests.Heads, shape.HeadSize);
        double[][] k = Heads(1, KeyValueHeads, shape.HeadSize);
        double[][] v = Heads(2, KeyValueHeads, shape.ValueSize);
        return [.. Ids.Index().Select(token => Enumerable.Range(0, ImageAttentionTests.Heads).SelectMany(head => Attend(token.Index, head)).ToArray())];

        double[] Attend(int query, int head)
        {
            int keyHead = head / (ImageAttentionTests.Heads / KeyValueHeads);
            int[] seen = [.. Enumerable.Range(0, Ids.Length).Where(
                key => (key <= query || (twoWays && SameImage(key, query))) && key > query - (shape.Window ?? Ids.Length))];
            double[] weights = [.. seen.Select(
                key => Math.Exp(shape.Scale * q[(query * ImageAttentionTests.Heads) + head].Zip(k[(key * KeyValueHeads) + keyHead], (a, b) => a * b).Sum()))];
            return [.. Enumerable.Range(0, shape.ValueSize).Select(
                i => seen.Zip(weights, (key, weight) => weight * v[(key * KeyValueHeads) + keyHead][i]).Sum() / weights.Sum())];
        }
    }

    private static bool SameImage(int a, int b) => Enumerable.Range(Math.Min(a, b), Math.Abs(a - b) + 1).All(i => Ids[i] == ImageToken);

    private static double[] Rotate(double[] head, int position)
    {
        int half = head.Length / 2;
        return [.. Enumerable.Range(0, head.Length).Select(i =>
        {
            double angle = position * Math.Pow(Theta, -2.0 * (i % half) / head.Length);
            return (head[i] * Math.Cos(angle)) + ((i < half ? -head[i + half] : head[i - half]) * Math.Sin(angle));
        })];
    }

    private static double[] Numbers(int which, int token, int width)
    {
        Random random = new((which * 1000) + token);
        return [.. Enumerable.Range(0, width).Select(_ => (2 * random.NextDouble()) - 1)];
    }

    private static int PieceAt(int start) => Enumerable.Range(0, Pieces.Length).First(piece => Pieces.Take(piece).Sum() == start);

    private static OrtValue Empty(InferenceSession session, AttentionShape shape) => OrtValue.CreateAllocatedTensorValue(
        OrtAllocator.DefaultInstance, session.InputMetadata["past_key_values.0.key"].ElementDataType, [1, KeyValueHeads, 0, shape.StoredHeadSize]);
}
