using OnnxVlm.Evaluation.Verification;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Runtime;

/// <summary>What the generation loop relies on, of each runner.</summary>
[TestFixture(Runner.Ort)]
[TestFixture(Runner.GenAI)]
internal sealed class RunnerContractTests(Runner runner)
{
    private VlmModel _model = null!;
    private IDecoder _decoder = null!;

    [OneTimeSetUp]
    public void Load()
    {
        _model = VlmModel.Load(Nano.Folder, new VlmOptions { Runner = runner });
        _decoder = new DecoderLoader(Nano.Folder, _model.Manifest, runner, threads: 1, cacheBytes: 0).Load(Device.Cpu);
    }

    [OneTimeTearDown]
    public void Dispose()
    {
        _decoder.Dispose();
        _model.Dispose();
    }

    [Test]
    public void Compare_ReferenceCases_SameLogitsAndTokens()
    {
        foreach (string folder in ReferenceCase.FoldersOf(Path.Combine(Nano.TestData, "nano-goldens")))
        {
            Comparison found = Verifier.Compare(_model, ReferenceCase.Load(folder, _model));

            Assert.That(found.MaxDifference, Is.LessThanOrEqualTo(1e-4), folder);
            Assert.That(found.TokensEqual, Is.True, folder);
        }
    }

    [Test]
    public async Task ReadAsync_OneTokenAfterTheOther_LogitsOfOneRead()
    {
        using IDecoderSequence whole = Start(), single = Start();
        int[] tokens = [.. Enumerable.Range(40, 50)];

        await ReadAsync(whole, tokens);
        foreach (int token in tokens)
            await ReadAsync(single, token);

        Assert.That(single.Length, Is.EqualTo(50));
        Assert.That(MostDifferent(whole, single), Is.LessThan(1e-4));
    }

    [Test]
    public async Task RewindTo_OtherTokensAfterIt_LogitsOfAFreshSequence()
    {
        using IDecoderSequence rewound = Start(), fresh = Start();

        await ReadAsync(rewound, 1, 2, 3, 4, 5, 6);
        rewound.RewindTo(3);
        Assert.That(() => rewound.Logits.Length, Throws.InvalidOperationException);
        await ReadAsync(rewound, 9, 10);
        await ReadAsync(fresh, 1, 2, 3, 9, 10);

        Assert.That(rewound.Length, Is.EqualTo(5));
        Assert.That(MostDifferent(rewound, fresh), Is.LessThan(1e-4));
    }

    [Test]
    public async Task RewindTo_Zero_IsEmpty()
    {
        using IDecoderSequence rewound = Start(), fresh = Start();

        await ReadAsync(rewound, 1, 2, 3);
        rewound.RewindTo(0);
        await ReadAsync(rewound, 7, 8);
        await ReadAsync(fresh, 7, 8);

        Assert.That(MostDifferent(rewound, fresh), Is.LessThan(1e-4));
    }

    [Test]
    public async Task Logits_ChangedByTheCaller_TheNextOnesAreRight()
    {
        using IDecoderSequence changed = Start(), other = Start();

        await ReadAsync(changed, 1, 2, 3);
        changed.Logits.Fill(7);
        await ReadAsync(changed, 4);
        await ReadAsync(other, 1, 2, 3, 4);

        Assert.That(MostDifferent(changed, other), Is.LessThan(1e-4));
    }

    [Test]
    public void ReadAsync_PlaceholdersWithoutTheirPatches_ThrowsAndReadsNothing()
    {
        using IDecoderSequence sequence = Start();
        PatchGrid image = new(2, 2, new byte[4 * 3 * 8 * 8]);
        PrefillChunk chunk = new(new[] { 1, _decoder.PlaceholderTokenId, 2 }, [new ImagePart(image, 0, 4)]);

        Assert.That(() => sequence.ReadAsync([chunk], null, default), Throws.ArgumentException.With.Message.Contains("4 patches"));
        Assert.That(sequence.Length, Is.Zero);
    }

    [Test]
    public async Task ReadAsync_MoreThanFits_ThrowsAndKeepsWhatWasRead()
    {
        using IDecoderSequence sequence = _decoder.CreateSequence(new SequenceOptions(_decoder.ContextLength, 0)), other = Start();
        await ReadAsync(sequence, 1, 2, 3);

        Assert.That(() => ReadAsync(sequence, new int[_decoder.ContextLength]), Throws.TypeOf<VlmException>().With.Message.Contains("no room"));
        await ReadAsync(sequence, 4);
        await ReadAsync(other, 1, 2, 3, 4);

        Assert.That(MostDifferent(sequence, other), Is.LessThan(1e-4));
    }

    [Test]
    public async Task ReadAsync_CancelledByItsProgress_ThrowsAndTheSequenceGoesOn([Values(1, 2, 30)] int pieces)
    {
        int told = 0;
        using IDecoderSequence sequence = Start(), other = Start();
        using CancellationTokenSource source = new();
        PrefillChunk[] chunks = [.. Enumerable.Range(0, 40).Select(i => new PrefillChunk(new[] { 30 + i, 31 + i, 32 + i }, []))];

        Assert.That(() => sequence.ReadAsync(chunks, () => { if (++told >= pieces) source.Cancel(); }, source.Token), Throws.InstanceOf<OperationCanceledException>());
        int read = sequence.Length;
        Assert.That(read, Is.LessThan(120));
        sequence.RewindTo(0);
        await ReadAsync(sequence, 5, 6);
        await ReadAsync(other, 5, 6);

        Assert.That(MostDifferent(sequence, other), Is.LessThan(1e-4));
    }

    [Test]
    public async Task ReadAsync_ImageInASecondRead_LogitsOfOneRead()
    {
        using IDecoderSequence whole = Start(), parts = Start();
        PromptSegment image = ImageRun.Create(_model.Manifest.Image.Tokens, RandomImage(3, 5, seed: 1));
        PromptSegment[] segments = [new(new[] { 1, 2, 3 }), image, new(new[] { 4, 5 })];

        await whole.ReadAsync(PrefillPlan.Create(_decoder, segments), null, default);
        foreach (PromptSegment segment in segments)
            await parts.ReadAsync(PrefillPlan.Create(_decoder, [segment]), null, default);

        Assert.That(MostDifferent(whole, parts), Is.LessThan(1e-4));
    }

    [Test]
    public async Task GenerateAsync_Guided_FollowsTheGrammar()
    {
        GenerationOptions options = new() { Guidance = Guidance.Regex("[0-9]{3}-[xyz]{4}"), Temperature = 1, Seed = 4, MaxNewTokens = 30 };
        string text = string.Concat((await _model.GenerateAsync(new Prompt([new PromptSegment(new[] { 1, 2, 3 })]), options).ToListAsync()).Select(update => update.Text));

        Assert.That(text, Does.Match("^[0-9]{3}-[xyz]{4}$"));
    }

    [Test]
    public void CreateSequence_Disposed_LeavesNoOwner()
    {
        int owners = NativeOwner.Count;
        IDecoderSequence sequence = Start();
        Assert.That(NativeOwner.Count, Is.GreaterThan(owners));
        sequence.Dispose();
        sequence.Dispose();
        Assert.That(NativeOwner.Count, Is.EqualTo(owners));
    }

    private static PatchGrid RandomImage(int rows, int columns, int seed)
    {
        byte[] pixels = new byte[rows * columns * 3 * 8 * 8];
        new Random(seed).NextBytes(pixels);
        return new PatchGrid(rows, columns, pixels);
    }

    private static float MostDifferent(IDecoderSequence a, IDecoderSequence b)
    {
        float[] left = a.Logits.ToArray(), right = b.Logits.ToArray();
        return left.Zip(right, (x, y) => Math.Abs(x - y)).Max();
    }

    private static Task ReadAsync(IDecoderSequence sequence, params int[] tokens) => sequence.ReadAsync([new PrefillChunk(tokens, [])], null, default);

    private IDecoderSequence Start() => _decoder.CreateSequence(new SequenceOptions(200, 64));
}
