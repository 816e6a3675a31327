using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.Prompting;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Generation;

internal sealed class SequenceCacheTests
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
        Assert.That(decoder.Sequences[0].Appends[^1].Images, Is.EqualTo(1));
    }

    [Test]
    public async Task GenerateAsync_ManyConversations_StayWithinTheBudgetAndDropTheOldest()
    {
        ScriptedDecoder decoder = Hashing();
        // Room for two sequences of 265 tokens at one byte each.
        using TokenGenerator generator = Generator(decoder, cacheBytes: 600);

        await RunAsync(generator, Text(1, 1, 1));
        await RunAsync(generator, Text(2, 2, 2));
        await RunAsync(generator, Text(3, 3, 3));

        Assert.That(decoder.LiveSequences, Is.EqualTo(2));
        Assert.That((await RunAsync(generator, Text(2, 2, 2))).Cached, Is.EqualTo(2));
        Assert.That((await RunAsync(generator, Text(1, 1, 1))).Cached, Is.Zero);
    }

    [Test]
    public async Task GenerateAsync_Guided_IsTakenFromTheCacheOnlyWithTheSameGrammar()
    {
        ScriptedDecoder decoder = Hashing();
        using TokenGenerator generator = Generator(decoder);
        GenerationOptions guided = new() { Guidance = Guidance.Regex("x"), MaxNewTokens = 2 };

        await RunAsync(generator, Text(1, 2, 3));
        (_, int first) = await RunAsync(generator, Text(1, 2, 3), guided);
        (_, int same) = await RunAsync(generator, Text(1, 2, 3), guided with { Guidance = Guidance.Regex("x") });
        (_, int other) = await RunAsync(generator, Text(1, 2, 3), guided with { Guidance = Guidance.Regex("y") });

        Assert.That(first, Is.Zero);
        Assert.That(same, Is.EqualTo(2));
        Assert.That(other, Is.Zero);
    }

    [Test]
    public async Task GenerateAsync_GuidedPromptThatContinuesASequence_RewindsItSoThatTheGrammarStartsAnew()
    {
        ScriptedDecoder decoder = Hashing();
        using TokenGenerator generator = Generator(decoder);
        GenerationOptions guided = new() { Guidance = Guidance.Regex("x"), MaxNewTokens = 1, OnToken = _ => TokenDecision.Stop };

        await RunAsync(generator, Text(1, 2, 3), guided);
        (_, int cached) = await RunAsync(generator, Text(1, 2, 3, 4, 5), guided);

        Assert.That(cached, Is.EqualTo(2));
        Assert.That(decoder.Sequences, Has.Count.EqualTo(1));
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
        Assert.That(decoder.LiveSequences, Is.Zero);
    }

    [Test]
    public async Task GenerateAsync_RandomConversations_SameAnswersAsWithoutCache()
    {
        Random random = new(8);
        ScriptedDecoder decoder = Hashing();
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
        Assert.That(decoder.LiveSequences, Is.Zero);
    }

    // What comes next depends on every token so far.
    private static ScriptedDecoder Hashing(bool canAppend = true) => new(VocabularySize, tokens =>
    {
        uint hash = 17;
        foreach (int token in tokens)
            hash = (hash * 31) + (uint)token;
        float[] logits = new float[VocabularySize];
        for (int id = 0; id < 200; id++)
            logits[id] = ((hash ^ (uint)(id * 7919)) * 2654435761 >> 16) % 1000 / 100f;
        return logits;
    })
    { CanAppend = canAppend };

    private static TokenGenerator Generator(ScriptedDecoder decoder, long cacheBytes = 100_000) => new(decoder, Vocabulary, [TestVocabulary.EndId], _ => [], cacheBytes);

    private static Prompt Text(params int[] ids) => new([new PromptSegment(ids)]);

    private static PromptSegment Image(int seed) => new(Enumerable.Repeat(TestVocabulary.ImageId, 4).ToArray(), new PatchGrid(2, 2, Enumerable.Repeat((byte)seed, 12).ToArray()));

    private static async Task<(int[] Tokens, int Cached)> RunAsync(TokenGenerator generator, Prompt prompt, GenerationOptions? options = null)
    {
        List<GenerationUpdate> updates = await generator.GenerateAsync(prompt, options ?? new GenerationOptions { MaxNewTokens = 6 }, default).ToListAsync();
        return ([.. updates.Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value)], updates[^1].Statistics!.CachedTokens);
    }
}
