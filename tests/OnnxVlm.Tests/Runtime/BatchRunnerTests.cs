using System.Diagnostics.Metrics;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Runtime;

/// <summary>Who runs when, counted in runs and not in time: what is queued while a piece is read is there when the next turn begins.</summary>
internal sealed class BatchRunnerTests
{
    private const int NoToken = 1_000_000;

    private IDecoder _decoder = null!;

    [OneTimeSetUp]
    public void Load() => _decoder = new DecoderLoader(Nano.Folder, Nano.Model.Manifest, Runner.Ort, threads: 1, cacheBytes: 0).Load(Device.Cpu);

    [OneTimeTearDown]
    public void Dispose() => _decoder.Dispose();

    [Test]
    public async Task ReadAsync_ShortPromptWhileALongOneIsRead_IsReadWithinTwoPieces([Values(0, 6)] int answering)
    {
        using IDecoderSequence reading = Start(), joiner = Start();
        IDecoderSequence[] others = await StartAsync(answering);
        List<int> lengths = [];
        Task joined = Task.CompletedTask;
        await reading.ReadAsync(Pieces(2000), () =>
        {
            // It comes after the third piece; there are others that go on with their answers.
            if (lengths.Count == 2)
                joined = ReadAsync(joiner, [.. Enumerable.Range(20, 32)]);
            foreach (IDecoderSequence other in others)
                _ = ReadAsync(other, 7);
            lengths.Add(joiner.Length);
        }, default);
        await joined;

        Assert.That(lengths.Take(3), Is.All.Zero);
        Assert.That(lengths[4], Is.EqualTo(32), "its first token is there before a second piece of the long prompt is read");
        Assert.That(lengths, Has.Count.EqualTo(62));
        foreach (IDecoderSequence other in others)
            other.Dispose();
    }

    [Test]
    public async Task ReadAsync_ManyShortPrompts_TheLongOneWaitsForEightTurnsAtMost()
    {
        using IDecoderSequence reading = Start();
        IDecoderSequence[] others = [.. Enumerable.Range(0, 40).Select(_ => Start())];
        List<int> done = [];
        List<Task> reads = [];
        await reading.ReadAsync(Pieces(320), () =>
        {
            done.Add(others.Count(other => other.Length > 0));
            reads.AddRange(others.Skip(8 * (done.Count - 1)).Take(8).Select(other => ReadAsync(other, [.. Enumerable.Range(20, 32)])));
        }, default);
        await Task.WhenAll(reads);

        Assert.That(done.Take(4), Is.EqualTo(new[] { 0, 8, 16, 24 }));
        foreach (IDecoderSequence other in others)
            other.Dispose();
    }

    [Test]
    public async Task ReadAsync_TokensOfSeveralAnswers_AreOneRun()
    {
        IDecoderSequence[] others = await StartAsync(5);
        using IDecoderSequence reading = Start();
        using BatchSizes sizes = new();
        Task[] reads = [];
        await reading.ReadAsync(Pieces(64), () => reads = [.. others.Select(other => ReadAsync(other, 7))], default);
        await Task.WhenAll(reads);

        Assert.That(sizes.Taken, Is.EqualTo(new[] { 5 }));
        foreach (IDecoderSequence other in others)
            other.Dispose();
    }

    [Test]
    public async Task ReadAsync_RowsThatComeBackOneAfterTheOther_AreMostlyOneRun()
    {
        IDecoderSequence[] rows = await StartAsync(40);
        using BatchSizes sizes = new();
        for (int turn = 0; turn < 30; turn++)
        {
            List<Task> reads = [];
            foreach (IDecoderSequence row in rows)
            {
                reads.Add(ReadAsync(row, 7));
                await Task.Yield();
            }
            await Task.WhenAll(reads);
        }

        // Who comes first does not go first alone. On a busy machine many may come too late, but never nearly all.
        Assert.That(sizes.Taken.Count(size => size == 40), Is.GreaterThanOrEqualTo(3), string.Join(", ", sizes.Taken));
        foreach (IDecoderSequence row in rows)
            row.Dispose();
    }

    [Test]
    public async Task ReadAsync_OneRowOfABatchIsAtFault_OnlyThatOneFails()
    {
        IDecoderSequence[] rows = await StartAsync(4);
        using IDecoderSequence reading = Start(), alone = Start();
        Task[] reads = [];
        await reading.ReadAsync(Pieces(64), () => reads = [.. rows.Select((row, i) => ReadAsync(row, i == 2 ? NoToken : 7))], default);
        await ReadAsync(alone, 1, 2, 3);
        await ReadAsync(alone, 7);

        for (int i = 0; i < rows.Length; i++)
        {
            int row = i;
            if (i == 2)
                Assert.That(() => reads[row], Throws.TypeOf<VlmException>().With.Message.Contains("The runtime failed"));
            else
                await reads[i];
        }
        await ReadAsync(rows[2], 7);
        Assert.That(rows.Select(row => row.Length), Is.All.EqualTo(4), "the guilty one goes on from where it was");
        foreach (IDecoderSequence row in rows)
        {
            Assert.That(row.Logits.ToArray().Zip(alone.Logits.ToArray(), (a, b) => Math.Abs(a - b)).Max(), Is.LessThan(1e-4));
            row.Dispose();
        }
    }

    [Test]
    public async Task CopyFrom_CopiesOfCopiesBeforeAnyIsMade_EachIsWhatItWasCopiedFrom()
    {
        using IDecoderSequence first = Start(), second = Start(), third = Start(), fourth = Start(), alone = Start();
        int[] tokens = [.. Enumerable.Range(20, 90)];
        using IDecoderSequence reading = Start();
        await ReadAsync(first, tokens);
        Task[] reads = [];
        await reading.ReadAsync(Pieces(64), () =>
        {
            second.CopyFrom(first, 80);
            third.CopyFrom(second, 70);
            // What the copies are of may change before they are made.
            first.RewindTo(10);
            second.RewindTo(60);
            fourth.CopyFrom(second, 50);
            reads = [ReadAsync(first, 5), ReadAsync(second, 5), ReadAsync(third, 5), ReadAsync(fourth, 5)];
        }, default);
        await Task.WhenAll(reads);

        foreach ((IDecoderSequence row, int length) in new[] { (first, 10), (second, 60), (third, 70), (fourth, 50) })
        {
            alone.RewindTo(0);
            await ReadAsync(alone, [.. tokens[..length], 5]);
            Assert.That(row.Length, Is.EqualTo(length + 1));
            Assert.That(row.Logits.ToArray().Zip(alone.Logits.ToArray(), (a, b) => Math.Abs(a - b)).Max(), Is.LessThan(1e-4), $"{length} tokens");
        }
    }

    [Test]
    public async Task Dispose_SourceOfACopyThatIsNotMadeYet_TheCopyIsWhatItWas()
    {
        IDecoderSequence source = Start();
        using IDecoderSequence copy = Start(), alone = Start(), reading = Start();
        int[] tokens = [.. Enumerable.Range(20, 40)];
        await ReadAsync(source, tokens);
        Task read = Task.CompletedTask;
        await reading.ReadAsync(Pieces(64), () =>
        {
            copy.CopyFrom(source, 40);
            source.Dispose();
            read = ReadAsync(copy, 5);
        }, default);
        await read;
        await ReadAsync(alone, [.. tokens, 5]);

        Assert.That(copy.Logits.ToArray().Zip(alone.Logits.ToArray(), (a, b) => Math.Abs(a - b)).Max(), Is.LessThan(1e-4));
    }

    [Test]
    public async Task Dispose_DecoderInUse_EndsWhatIsReadAndWhatComesLater()
    {
        using IDecoder decoder = new DecoderLoader(Nano.Folder, Nano.Model.Manifest, Runner.Ort, threads: 1, cacheBytes: 0).Load(Device.Cpu);
        using IDecoderSequence reading = decoder.CreateSequence(new SequenceOptions(2048, 0)), waiting = decoder.CreateSequence(new SequenceOptions(2048, 0));
        TaskCompletionSource begun = new();
        Task read = reading.ReadAsync(Pieces(2000), () => begun.TrySetResult(), default), other = waiting.ReadAsync(Pieces(2000), null, default);
        await begun.Task;
        decoder.Dispose();

        Assert.That(() => read, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => other, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => ReadAsync(reading, 1), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public async Task GenerateAsync_CallbackThatDoesNotReturn_HoldsUpOnlyItsOwnAnswer()
    {
        using ManualResetEventSlim stuck = new();
        GenerationOptions slow = new()
        {
            MaxNewTokens = 6, OnToken = step =>
            {
                if (step.Index == 2)
                    stuck.Wait();
                return TokenDecision.Continue;
            },
        };
        Task<int> held = CountAsync(slow);
        int[] counts = [await CountAsync(new GenerationOptions { MaxNewTokens = 40 }), await CountAsync(new GenerationOptions { MaxNewTokens = 40 })];

        Assert.That(held.IsCompleted, Is.False);
        stuck.Set();
        Assert.That(counts, Is.EqualTo(new[] { 40, 40 }));
        Assert.That(await held, Is.EqualTo(6));

        static async Task<int> CountAsync(GenerationOptions options) =>
            await Nano.Model.GenerateAsync(new Prompt([new PromptSegment(Enumerable.Range(20, 50).ToArray())]), options with { MinNewTokens = options.MaxNewTokens }).CountAsync(update => update.TokenId is not null);
    }

    private static Task ReadAsync(IDecoderSequence sequence, params int[] tokens) => sequence.ReadAsync([new PrefillChunk(tokens, [])], null, default);

    private static PrefillChunk[] Pieces(int tokens) => [.. Enumerable.Range(0, tokens).Select(i => 20 + (i * 7 % 500)).Chunk(32).Select(piece => new PrefillChunk(piece, []))];

    private async Task<IDecoderSequence[]> StartAsync(int count)
    {
        IDecoderSequence[] rows = [.. Enumerable.Range(0, count).Select(_ => Start())];
        foreach (IDecoderSequence row in rows)
            await ReadAsync(row, 1, 2, 3);
        return rows;
    }

    private IDecoderSequence Start() => _decoder.CreateSequence(new SequenceOptions(2048, 0));

    /// <summary>Rows of each run for answers, while it lives.</summary>
    private sealed class BatchSizes : IDisposable
    {
        private readonly MeterListener _listener = new();

        public BatchSizes()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "onnxvlm.batch.rows")
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<int>((_, rows, _, _) => Taken.Add(rows));
            _listener.Start();
        }

        public List<int> Taken { get; } = [];

        public void Dispose() => _listener.Dispose();
    }
}
