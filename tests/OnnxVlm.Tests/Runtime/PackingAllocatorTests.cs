using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using OnnxVlm.Export;
using OnnxVlm.Export.Inspection;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Runtime;

internal sealed class PackingAllocatorTests
{
    private static readonly string Graph = Path.Combine(Nano.Folder, "model.onnx");
    private static readonly long WeightBytes = new FileInfo(Path.Combine(Nano.Folder, "model.onnx.data")).Length;

    [Test]
    public void Register_SessionCreatedUnderIt_PacksIntoItsMemory()
    {
        using PackingAllocator allocator = PackingAllocator.TryCreate(WeightBytes)!;
        using SessionOptions options = WithEnvironmentAllocator();
        using (allocator.Register())
            new InferenceSession(Graph, options).Dispose();

        Assert.That(allocator.PackedBytes, Is.InRange(WeightBytes / 2, WeightBytes));
    }

    [TestCase(Precision.Int4)]
    [TestCase(Precision.Int8)]
    public void Register_QuantizedModel_PacksItsMatricesAndTheirBlockSums(Precision precision)
    {
        string folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        Exporter.Export(new ExportOptions { CheckpointFolder = Path.Combine(Nano.Folder, "hf"), OutputFolder = folder, Precision = precision });
        try
        {
            ModelSummary summary = ModelInspector.Inspect(folder);
            long expected = summary.WeightBytesPerToken - SizeOf("norm") + SizeOf("patch projection") + (RuntimeInformation.ProcessArchitecture == Architecture.X64 ? summary.BlockSumBytesPerToken : 0);

            using PackingAllocator allocator = PackingAllocator.TryCreate(WeightBytes)!;
            using SessionOptions options = WithEnvironmentAllocator();
            using (allocator.Register())
                new InferenceSession(Path.Combine(folder, "model.onnx"), options).Dispose();

            // Each matrix begins at a page, and the runtime aligns its parts.
            Assert.That(allocator.PackedBytes, Is.EqualTo(expected).Within((summary.FusedOperators["MatMulNBits"] + summary.StandardNodes) * Environment.SystemPageSize));

            long SizeOf(string layer) => summary.Weights.Where(group => group.Layer == layer).Sum(group => group.SizeBytes);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Register_SessionsBeforeAndAfterIt_PackElsewhere()
    {
        using PackingAllocator allocator = PackingAllocator.TryCreate(WeightBytes)!;
        using SessionOptions options = WithEnvironmentAllocator();
        using InferenceSession before = new(Graph, options);
        allocator.Register().Dispose();
        using InferenceSession after = new(Graph, options);

        Assert.That(allocator.PackedBytes, Is.Zero);
    }

    [Test]
    public void Register_MemoryTooSmall_SessionIsCreatedWithTheRestElsewhere()
    {
        using PackingAllocator allocator = PackingAllocator.TryCreate(WeightBytes / 4)!;
        using SessionOptions options = WithEnvironmentAllocator();
        using (allocator.Register())
            new InferenceSession(Graph, options).Dispose();

        Assert.That(allocator.PackedBytes, Is.InRange(1, WeightBytes / 2));
    }

    [Test]
    public async Task Load_FourModelsAtOnce_AllPredictTheSame()
    {
        float[][] logits = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            using VlmModel model = VlmModel.Load(Nano.Folder, new VlmOptions { Device = Device.Cpu, Threads = 1 });
            using VlmSequence sequence = model.CreateSequence(maxLength: 4);
            sequence.Append(new PromptSegment(new[] { 5, 6, 7 }));
            float[] next = new float[model.Manifest.VocabularySize];
            sequence.CopyLogits(next);
            return next;
        })));

        Assert.That(logits.Skip(1), Is.All.EqualTo(logits[0]));
    }

    [Test]
    public void Load_ModelsThatNobodyDisposes_AreFreedWithTheirMemory()
    {
        int before = CountAfterCollection();
        for (int i = 0; i < 5; i++)
            Forget();

        Assert.That(CountAfterCollection, Is.LessThanOrEqualTo(before + 1).After(20_000, 50), "but for one that the stack may still hold");

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Forget() => VlmModel.Load(Nano.Folder, new VlmOptions { Device = Device.Cpu }).CreateSequence(maxLength: 4);
    }

    [Test]
    public void Dispose_SessionLivesOn_MemoryStaysUntilItIsGone()
    {
        int before = CountAfterCollection();
        InferenceSession session = CreateSession();
        Assert.That(CountAfterCollection(), Is.EqualTo(before + 1));

        session.Dispose();
        Assert.That(CountAfterCollection, Is.EqualTo(before).After(20_000, 50));

        [MethodImpl(MethodImplOptions.NoInlining)]
        static InferenceSession CreateSession()
        {
            using PackingAllocator allocator = PackingAllocator.TryCreate(WeightBytes)!;
            using SessionOptions options = WithEnvironmentAllocator();
            using (allocator.Register())
                return new InferenceSession(Graph, options);
        }
    }

    [Test]
    public void Dispose_Twice_IsHarmless()
    {
        PackingAllocator allocator = PackingAllocator.TryCreate(WeightBytes)!;
        allocator.Dispose();

        Assert.That(allocator.Dispose, Throws.Nothing);
    }

    private static int CountAfterCollection()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return PackingAllocator.Count;
    }

    private static SessionOptions WithEnvironmentAllocator()
    {
        SessionOptions options = new();
        options.AddSessionConfigEntry(PackingAllocator.SessionEntry, "1");
        return options;
    }
}
