using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.Prompting;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Generation;

internal sealed class RowCacheTests
{
    private const int VocabularySize = 258;

    private static readonly Vocabulary Vocabulary = TestVocabulary.Bytes();

    [TestCase("end token")]
    [TestCase("stop text")]
    [TestCase("cap")]
    [TestCase("left early")]
    public async Task GenerateAsync_NextTurn_ReadsOnlyWhatIsNewAndAnswersTheSame(string end)
    {
        ScriptedDecoder decoder = Hashing();
        using TokenGenerator generator = Generator(decoder);
        int[] first = [1, 2, 3];
        GenerationOptions options = end switch
        {
            "end token" => new GenerationOptions { OnToken = step => step.Index == 5 ? TokenDecision.Replace(TestVocabulary.EndId) : TokenDecision.Continue },
            "stop text" => new GenerationOptions { OnToken = step => step.Index == 5 ? TokenDecision.Stop : TokenDecision.Continue },
            _ => new GenerationOptions { MaxNewTokens = 5 },
        };
        List<int> answer = [];
        await foreach (GenerationUpdate update in generator.GenerateAsync(Text(first), options, default))
        {
            if (update.TokenId is { } id)
                answer.Add(id);
            if (end == "left early" && answer.Count == 5)
                break;
        }
        int[] second = [.. first, .. answer, TestVocabulary.EndId, 7, 8];

        (int[] warm, int cached) = await RunAsync(generator, Text(second));
        (int[] cold, _) = await RunAsync(Generator(Hashing()), Text(second));

        Assert.That(answer, Has.Count.EqualTo(5));
        Assert.That(warm, Is.EqualTo(cold));
        Assert.That(cached, Is.GreaterThanOrEqualTo(first.Length + answer.Count - 1));
        Assert.That(decoder.Sequences, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task GenerateAsync_SamePromptAgain_ReadsOneToken()
    {
        ScriptedDecoder decoder = Hashing();
        using TokenGenerator generator = Generator(decoder);

        (int[] first, _) = await RunAsync(generator, Text(1, 2, 3, 4));
        (int[] again, int cached) = await RunAsync(generator, Text(1, 2, 3, 4));

        Assert.That(again, Is.EqualTo(first));
        Assert.That(cached, Is.EqualTo(3));
    }

    [Test]
    public async Task GenerateAsync_AnotherImage_SharesOnlyWhatIsBeforeIt()
    {
        ScriptedDecoder decoder = Hashing();
        using TokenGenerator generator = Generator(decoder);
        Prompt first = new([new PromptSegment(new[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }), Image(1), new PromptSegment(new[] { 4 })]);
        Prompt other = new([new PromptSegment(new[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }), Image(2), new PromptSegment(new[] { 4 })]);

        await RunAsync(generator, first);
        (_, int sameCached) = await RunAsync(generator, first);
        (_, int otherCached) = await RunAsync(generator, other);

        Assert.That(sameCached, Is.EqualTo(14));
        Assert.That(otherCached, Is.EqualTo(10));
    }

    [Test]
    public async Task GenerateAsync_PromptEndsInsideACachedImage_ReadsTheImageAgain()
    {
        ScriptedDecoder decoder = Hashing();
        using TokenGenerator generator = Generator(decoder);
        Prompt prompt = new([new PromptSegment(new[] { 1, 2, 3, 4, 5 }), Image(1)]);

        await RunAsync(generator, prompt);
        (_, int cached) = await RunAsync(generator, prompt);

        Assert.That(cached, Is.EqualTo(5));
        Assert.That(decoder.Sequences[0].Reads.Count(read => read.Images == 1), Is.EqualTo(2));
    }

    [Test]
    public async Task GenerateAsync_ManyConversations_StayWithinTheBudgetAndDropTheOldest()
    {
        ScriptedDecoder decoder = Hashing();
        // Room for two sequences of 265 tokens at one byte each, which cannot grow.
        using TokenGenerator generator = Generator(decoder, cacheBytes: 530);

        await RunAsync(generator, Text(1, 1, 1));
        await RunAsync(generator, Text(2, 2, 2));
        await RunAsync(generator, Text(3, 3, 3));

        Assert.That(decoder.ActiveSequences, Is.EqualTo(2));
        Assert.That((await RunAsync(generator, Text(2, 2, 2))).Cached, Is.EqualTo(2));
        Assert.That((await RunAsync(generator, Text(1, 1, 1))).Cached, Is.Zero);
    }

    [Test]
    public async Task GenerateAsync_AnyGrammar_GoesOnFromTheSameRow()
    {
        ScriptedDecoder decoder = Hashing();
        using TokenGenerator generator = Generator(decoder);
        GenerationOptions guided = new() { Guidance = Guidance.Regex("x"), MaxNewTokens = 2 };

        await RunAsync(generator, Text(1, 2, 3));
        (_, int first) = await RunAsync(generator, Text(1, 2, 3), guided);
        (_, int other) = await RunAsync(generator, Text(1, 2, 3), guided with { Guidance = Guidance.Regex("y") });

        Assert.That(new[] { first, other }, Is.All.EqualTo(2));
    }

    [Test]
    public async Task GenerateAsync_OtherScope_SharesNothing()
    {
        using TokenGenerator generator = Generator(Hashing(canFork: true));
        GenerationOptions mine = new() { CacheScope = "mine", MaxNewTokens = 2 };

        await RunAsync(generator, Long(50), mine);
        (_, int other) = await RunAsync(generator, Long(50), mine with { CacheScope = "other" });
        (_, int none) = await RunAsync(generator, Long(50), mine with { CacheScope = null });
        (_, int same) = await RunAsync(generator, Long(50), mine);

        Assert.That(new[] { other, none }, Is.All.Zero);
        Assert.That(same, Is.EqualTo(49));
    }

    [Test]
    public async Task GenerateAsync_PromptThatBranchesEarly_GoesOnFromACopyAndTheOtherRowStays()
    {
        ScriptedDecoder decoder = Hashing(canFork: true);
        using TokenGenerator generator = Generator(decoder);
        int[] system = [.. Enumerable.Range(0, 20)], first = [.. system, .. Enumerable.Repeat(1, 100)], second = [.. system, .. Enumerable.Repeat(2, 100)];

        await RunAsync(generator, Text(first));
        (int[] warm, int cached) = await RunAsync(generator, Text(second));
        (_, int again) = await RunAsync(generator, Text(first));

        Assert.That(cached, Is.EqualTo(20));
        Assert.That(decoder.Sequences[1].CopiedTokens, Is.EqualTo(20));
        Assert.That(warm, Is.EqualTo((await RunAsync(Generator(Hashing()), Text(second))).Tokens));
        Assert.That(again, Is.EqualTo(119));
        Assert.That(decoder.Sequences, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task GenerateAsync_SamePromptSixTimesAtOnce_IsReadOnce()
    {
        ScriptedDecoder decoder = Hashing(canFork: true, chunkTokens: 10);
        using TokenGenerator generator = Generator(decoder);
        TaskCompletionSource asked = new();
        decoder.BeforeRead = _ => asked.Task;

        Task<(int[] Tokens, int Cached)>[] answers = [.. Enumerable.Range(0, 6).Select(_ => RunAsync(generator, Long(200)))];
        asked.SetResult();
        (int[] Tokens, int Cached)[] results = await Task.WhenAll(answers);

        Assert.That(results.Select(result => result.Cached), Is.EquivalentTo(new[] { 0, 199, 199, 199, 199, 199 }));
        Assert.That(results.Select(result => result.Tokens), Is.All.EqualTo((await RunAsync(Generator(Hashing()), Long(200))).Tokens));
        Assert.That(decoder.Sequences.Sum(sequence => sequence.Reads.Sum(read => read.TokenIds.Length)), Is.EqualTo(200 + 5 + (6 * 5)));
    }

    [Test]
    public async Task GenerateAsync_RowThatIsFollowedIsCancelled_TheFollowerReadsTheRest()
    {
        ScriptedDecoder decoder = Hashing(canFork: true, chunkTokens: 10);
        using TokenGenerator generator = Generator(decoder);
        using CancellationTokenSource source = new();
        TaskCompletionSource reached = new(), stuck = new();
        decoder.BeforeRead = sequence =>
        {
            if (sequence != decoder.Sequences[0] || sequence.Length < 50)
                return Task.CompletedTask;
            reached.TrySetResult();
            return stuck.Task;
        };

        Task<(int[] Tokens, int Cached)> first = RunAsync(generator, Long(200), cancellationToken: source.Token);
        await reached.Task;
        Task<(int[] Tokens, int Cached)> second = RunAsync(generator, Long(200));
        await source.CancelAsync();

        Assert.That(async () => await first, Throws.InstanceOf<OperationCanceledException>());
        (int[] tokens, int cached) = await second;
        Assert.That(cached, Is.EqualTo(50));
        Assert.That(tokens, Is.EqualTo((await RunAsync(Generator(Hashing()), Long(200))).Tokens));
    }

    [Test]
    public void GenerateAsync_RequestLargerThanTheBudget_IsRefusedBeforeItIsReadWithTheNumbers()
    {
        ScriptedDecoder decoder = Hashing(canFork: true);
        using TokenGenerator generator = Generator(decoder, cacheBytes: 100);

        Assert.That(() => RunAsync(generator, Long(90), new GenerationOptions { MaxNewTokens = 11 }), Throws.TypeOf<PromptTooLongException>().With.Message.Contains("90 tokens of prompt and 11 of answer"));
        Assert.That(decoder.Sequences, Is.Empty);
    }

    [Test]
    public async Task GenerateAsync_NoRoomInTheBudget_WaitsInOrderAndNeverFails()
    {
        ScriptedDecoder decoder = Hashing(canFork: true);
        using TokenGenerator generator = Generator(decoder, cacheBytes: 100);
        TaskCompletionSource go = new();
        decoder.BeforeRead = _ => go.Task;
        long most = 0;
        decoder.OnRead = _ => most = Math.Max(most, generator.Cache.Usage.Bytes);

        // 46 tokens each: two at a time.
        Task<(int[] Tokens, int Cached)>[] answers = [.. Enumerable.Range(0, 5).Select(i => RunAsync(generator, Text([.. Enumerable.Repeat(10 + i, 40)])))];
        (long bytes, int waiting, int running, _) = generator.Cache.Usage;
        go.SetResult();
        await Task.WhenAll(answers);

        Assert.That((bytes, waiting, running), Is.EqualTo((92, 3, 2)));
        Assert.That(most, Is.LessThanOrEqualTo(100));
        Assert.That(generator.Cache.Usage.Waiting, Is.Zero);
    }

    [Test]
    public async Task GenerateAsync_CancelledWhileItWaitsForRoom_LeavesTheQueue()
    {
        ScriptedDecoder decoder = Hashing(canFork: true);
        using TokenGenerator generator = Generator(decoder, cacheBytes: 100);
        using CancellationTokenSource source = new();
        TaskCompletionSource go = new();
        decoder.BeforeRead = _ => go.Task;

        Task<(int[] Tokens, int Cached)> first = RunAsync(generator, Text([.. Enumerable.Repeat(1, 80)]));
        Task<(int[] Tokens, int Cached)> second = RunAsync(generator, Text([.. Enumerable.Repeat(2, 80)]), cancellationToken: source.Token);
        await source.CancelAsync();
        Assert.That(async () => await second, Throws.InstanceOf<OperationCanceledException>());
        go.SetResult();
        await first;

        Assert.That(generator.Cache.Usage.Waiting, Is.Zero);
        Assert.That(decoder.Sequences, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task GenerateAsync_OnPrefill_TellsHowFarThePromptIsRead()
    {
        ScriptedDecoder decoder = Hashing(canFork: true, chunkTokens: 10);
        using TokenGenerator generator = Generator(decoder);
        List<PrefillProgress> progress = [];

        await RunAsync(generator, Long(45), new GenerationOptions { MaxNewTokens = 1, OnPrefill = progress.Add });
        await RunAsync(generator, Long(45), new GenerationOptions { MaxNewTokens = 1, OnPrefill = progress.Add });

        Assert.That(progress.Select(step => step.TokenCount), Is.All.EqualTo(45));
        Assert.That(progress.Count(step => step.TokensRead == 45), Is.GreaterThanOrEqualTo(2));
        Assert.That(progress.TakeWhile(step => step.CachedTokens == 0).Select(step => step.TokensRead), Is.Ordered);
        Assert.That(progress[^1].CachedTokens, Is.EqualTo(44));
    }

    [Test]
    public async Task GenerateAsync_ModelThatCannotGoBack_GoesOnOnlyWhereThePromptDoes()
    {
        ScriptedDecoder decoder = Hashing(canRewind: false);
        using TokenGenerator generator = Generator(decoder);
        GenerationOptions options = new() { MaxNewTokens = 2 };

        (int[] answer, _) = await RunAsync(generator, Text(1, 2, 3), options);
        (_, int other) = await RunAsync(generator, Text(1, 2, 4), options);
        (_, int next) = await RunAsync(generator, Text(1, 2, 3, answer[0], 9), options);

        Assert.That((other, next), Is.EqualTo((0, 4)));
    }

    [Test]
    public async Task GenerateAsync_DeviceThatCannotAppend_ReadsEverythingAfresh()
    {
        ScriptedDecoder decoder = Hashing(canAppend: false);
        using TokenGenerator generator = Generator(decoder);

        (int[] first, _) = await RunAsync(generator, Text(1, 2, 3));
        (int[] warm, int cached) = await RunAsync(generator, Text([1, 2, 3, .. first, 9]));
        (int[] cold, _) = await RunAsync(Generator(Hashing()), Text([1, 2, 3, .. first, 9]));

        Assert.That(warm, Is.EqualTo(cold));
        Assert.That(cached, Is.Zero);
        Assert.That(decoder.ActiveSequences, Is.Zero);
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task GenerateAsync_RandomConversations_SameAnswersAsWithoutCache(bool canFork)
    {
        Random random = new(8);
        ScriptedDecoder decoder = Hashing(canFork: canFork);
        using TokenGenerator generator = Generator(decoder, cacheBytes: 2000);
        List<PromptSegment[]> conversations = [];
        for (int round = 0; round < 300; round++)
        {
            PromptSegment[] before = conversations.Count > 0 && random.Next(3) > 0 ? conversations[random.Next(conversations.Count)] : [];
            PromptSegment[] prompt = [.. before, random.Next(4) == 0 ? Image(random.Next(3)) : new PromptSegment(Enumerable.Range(0, 1 + random.Next(6)).Select(_ => random.Next(4)).ToArray())];
            GenerationOptions options = new() { MaxNewTokens = 1 + random.Next(5), Temperature = random.Next(2), Seed = round };

            (int[] warm, _) = await RunAsync(generator, new Prompt(prompt), options);
            (int[] cold, _) = await RunAsync(Generator(Hashing()), new Prompt(prompt), options);

            Assert.That(warm, Is.EqualTo(cold));
            conversations.Add([.. prompt, new PromptSegment(warm)]);
        }
        Assert.That(decoder.Sequences, Has.Count.LessThan(300));
        generator.Dispose();
        Assert.That(decoder.ActiveSequences, Is.Zero);
    }

    // What comes next depends on every token so far.
    private static ScriptedDecoder Hashing(bool canAppend = true, bool canFork = false, int chunkTokens = 512, bool canRewind = true) => new(VocabularySize, tokens =>
    {
        uint hash = 17;
        foreach (int token in tokens)
            hash = (hash * 31) + (uint)token;
        float[] logits = new float[VocabularySize];
        for (int id = 0; id < 200; id++)
            logits[id] = ((hash ^ (uint)(id * 7919)) * 2654435761 >> 16) % 1000 / 100f;
        return logits;
    })
    { CanAppend = canAppend, CanFork = canFork, ChunkTokens = chunkTokens, CanRewind = canRewind };

    private static TokenGenerator Generator(ScriptedDecoder decoder, long cacheBytes = 100_000) => new(decoder, Vocabulary, [TestVocabulary.EndId], _ => [], (_, _) => new FreeGrammar(), cacheBytes);

    private static Prompt Text(params int[] ids) => new([new PromptSegment(ids)]);

    private static Prompt Long(int length) => Text([.. Enumerable.Range(0, length).Select(i => i % 50)]);

    private static PromptSegment Image(int seed) => new(Enumerable.Repeat(TestVocabulary.ImageId, 4).ToArray(), new PatchGrid(2, 2, Enumerable.Repeat((byte)seed, 12).ToArray()));

    private static async Task<(int[] Tokens, int Cached)> RunAsync(TokenGenerator generator, Prompt prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        List<GenerationUpdate> updates = await generator.GenerateAsync(prompt, options ?? new GenerationOptions { MaxNewTokens = 6 }, cancellationToken).ToListAsync(CancellationToken.None);
        return ([.. updates.Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value)], updates[^1].Statistics!.CachedTokens);
    }
}
