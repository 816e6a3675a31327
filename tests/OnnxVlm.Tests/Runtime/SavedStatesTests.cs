using OnnxVlm.Export;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Runtime;

/// <summary>Where a row of a model with recurrent layers can go back to, and how rows share the places for that.</summary>
internal sealed class SavedStatesTests
{
    private const int EndOfTurn = 498;

    private readonly string _folder = Directory.CreateTempSubdirectory("onnxvlm-states-").FullName;
    private VlmModel _model = null!;
    private long _stateBytes;

    [OneTimeSetUp]
    public void Export()
    {
        Exporter.Export(new ExportOptions { CheckpointFolder = Path.Combine(Nano.TestData, "qwen3_5"), OutputFolder = Path.Combine(_folder, "out") });
        _model = VlmModel.Load(Path.Combine(_folder, "out"));
        using IDecoder decoder = Load(states: 1);
        _stateBytes = decoder.StateBytes;
    }

    [OneTimeTearDown]
    public void Delete()
    {
        _model?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public async Task Restorable_ManyTurns_EightStatesCloseNearTheEndAndFarBefore()
    {
        using IDecoder decoder = Load(states: 100);
        using IDecoderSequence sequence = Start(decoder);
        for (int turn = 0; turn < 100; turn++)
            await ReadTurnsAsync(decoder, sequence, turn, 1);

        int[] places = [.. Enumerable.Range(1, sequence.Length).Select(sequence.Restorable).Where(place => place > 0).Distinct()];
        Assert.That(places, Has.Length.EqualTo(SavedStates.Most));
        Assert.That(places, Is.All.Matches<int>(place => place % 10 == 0), "the ends of turns");
        Assert.That(places[^1], Is.EqualTo(sequence.Length), "the end of the last turn");
        Assert.That(places[^2], Is.EqualTo(sequence.Length - 10), "and of the one before");
        for (int back = 20; back < sequence.Length; back++)
            Assert.That(sequence.Length - sequence.Restorable(sequence.Length - back), Is.LessThan(Math.Max(4 * back, 60)), $"{back} tokens before the end");
    }

    [Test]
    public async Task Save_RowsThatTakeTurns_EachKeepsItsShare()
    {
        using IDecoder decoder = Load(states: 9);
        IDecoderSequence[] rows = [.. Enumerable.Range(0, 4).Select(_ => Start(decoder))];
        for (int turn = 0; turn < 12; turn++)
        {
            foreach (IDecoderSequence row in rows)
                await ReadTurnsAsync(decoder, row, turn, 1);
        }

        foreach (IDecoderSequence row in rows)
        {
            Assert.That(row.Restorable(row.Length - 1), Is.Positive);
            Assert.That(Enumerable.Range(1, row.Length).Select(row.Restorable).Distinct().Count(), Is.InRange(2, 5));
            row.Dispose();
        }
        using IDecoderSequence next = Start(decoder);
        await ReadTurnsAsync(decoder, next, 0, 8);
        Assert.That(Enumerable.Range(1, next.Length).Select(next.Restorable).Distinct().Count(), Is.EqualTo(9), "0 and eight states: those of rows that have gone are free");
    }

    [Test]
    public async Task Save_NoRoomForAny_RowsAreReadFromTheStart()
    {
        using IDecoder decoder = Load(states: 0);
        using IDecoderSequence sequence = Start(decoder);
        await ReadTurnsAsync(decoder, sequence, 0, 5);

        Assert.That(sequence.Restorable(45), Is.Zero);
        sequence.RewindTo(45);
        Assert.That(sequence.Length, Is.Zero);
    }

    [Test]
    public async Task CopyFrom_RowWithStates_TheCopyGoesBackToThemAlsoWhenTheRowHasGone()
    {
        using IDecoder decoder = Load(states: 20);
        IDecoderSequence source = Start(decoder);
        using IDecoderSequence copy = Start(decoder), copyOfCopy = Start(decoder);
        await ReadTurnsAsync(decoder, source, 0, 6);
        copy.CopyFrom(source, 50);
        copyOfCopy.CopyFrom(copy, 40);
        source.Dispose();
        await ReadTurnsAsync(decoder, copy, 7, 1);
        await ReadTurnsAsync(decoder, copyOfCopy, 8, 1);

        await ExpectAsync(decoder, copy, [.. Turns(0, 5), .. Turns(7, 1)]);
        await ExpectAsync(decoder, copyOfCopy, [.. Turns(0, 4), .. Turns(8, 1)]);
        copy.RewindTo(37);
        Assert.That(copy.Length, Is.EqualTo(30));
        await ReadTurnsAsync(decoder, copy, 9, 1);
        await ExpectAsync(decoder, copy, [.. Turns(0, 3), .. Turns(9, 1)]);
    }

    [Test]
    public async Task CopyFrom_DisposedBeforeTheCopyIsMade_LosesNoPlace()
    {
        using IDecoder decoder = Load(states: 3);
        using IDecoderSequence source = Start(decoder), reading = Start(decoder);
        await ReadTurnsAsync(decoder, source, 0, 2);
        for (int i = 0; i < 20; i++)
        {
            await reading.ReadAsync(Enumerable.Range(0, 2).Select(_ => new PrefillChunk(new[] { 30 }, [])).ToArray(), () =>
            {
                IDecoderSequence copy = Start(decoder);
                copy.CopyFrom(source, 10);
                copy.Dispose();
            }, default);
        }
        source.RewindTo(0);
        await ReadTurnsAsync(decoder, source, 0, 3);

        Assert.That(Enumerable.Range(1, 30).Select(source.Restorable).Distinct().Count(), Is.EqualTo(4), "0, 10, 20, 30");
    }

    [Test]
    public async Task GenerateAsync_ARowOfTheBatchFails_OtherAnswersAreAsAlone()
    {
        using VlmModel together = VlmModel.Load(Path.Combine(_folder, "out")), alone = VlmModel.Load(Path.Combine(_folder, "out"), new VlmOptions { CacheBytes = 0 });
        GenerationOptions options = new() { MaxNewTokens = 40, MinNewTokens = 40, Temperature = 0 };
        Prompt[] prompts = [.. Enumerable.Range(0, 4).Select(i => new Prompt([new PromptSegment(Turns(i, 3).ToArray())]))];
        Task<int[]>[] answers = [.. prompts.Select(prompt => Task.Run(() => TokensAsync(together, prompt, options)))];
        int failed = 0;
        while (!Task.WhenAll(answers).IsCompleted)
        {
            // A token that the vocabulary does not have.
            Assert.That(() => TokensAsync(together, new Prompt([new PromptSegment(new[] { 30, EndOfTurn, 1_000_000 })]), options), Throws.TypeOf<VlmException>());
            failed++;
        }

        Assert.That(failed, Is.Positive);
        for (int i = 0; i < prompts.Length; i++)
            Assert.That(await answers[i], Is.EqualTo(await TokensAsync(alone, prompts[i], options)));
    }

    private static async Task<int[]> TokensAsync(VlmModel model, Prompt prompt, GenerationOptions options) =>
        [.. await model.GenerateAsync(prompt, options).Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value).ToListAsync()];

    private static IDecoderSequence Start(IDecoder decoder) => decoder.CreateSequence(new SequenceOptions(2000, 0));

    private static int[] Turns(int first, int count) => [.. Enumerable.Range(first, count).SelectMany(turn => Enumerable.Range(0, 9).Select(i => 20 + (((turn * 37) + (i * 11)) % 400)).Append(EndOfTurn))];

    private static async Task ReadTurnsAsync(IDecoder decoder, IDecoderSequence sequence, int first, int count) =>
        await sequence.ReadAsync(PrefillPlan.Create(decoder, [new PromptSegment(Turns(first, count))]), null, default);

    private static async Task ExpectAsync(IDecoder decoder, IDecoderSequence sequence, int[] tokens)
    {
        using IDecoderSequence fresh = Start(decoder);
        await fresh.ReadAsync([new PrefillChunk(tokens, [])], null, default);
        Assert.That(sequence.Length, Is.EqualTo(tokens.Length));
        Assert.That(sequence.Logits.ToArray().Zip(fresh.Logits.ToArray(), (a, b) => Math.Abs(a - b)).Max(), Is.LessThan(1e-4));
    }

    private IDecoder Load(int states) => new DecoderLoader(Path.Combine(_folder, "out"), _model.Manifest, Runner.Ort, threads: 1, cacheBytes: 4 * states * Math.Max(1, _stateBytes)).Load(Device.Cpu);
}
