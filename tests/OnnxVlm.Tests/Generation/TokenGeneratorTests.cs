using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Generation;

internal sealed class TokenGeneratorTests
{
    private const int VocabularySize = 258;

    private static readonly Vocabulary Vocabulary = TestVocabulary.Bytes();

    [Test]
    public async Task GenerateAsync_EndToken_StopsWithoutIt()
    {
        ScriptedDecoder decoder = Answering("Hi", TestVocabulary.EndId);

        List<GenerationUpdate> updates = await RunAsync(decoder, new GenerationOptions());

        Assert.That(TextOf(updates), Is.EqualTo("Hi"));
        Assert.That(updates.Select(update => update.TokenId), Is.EqualTo(new int?[] { 'H', 'i', null }));
        Assert.That(updates[^1].FinishReason, Is.EqualTo(FinishReason.Stop));
        Assert.That(updates[^1].Statistics!.GeneratedTokens, Is.EqualTo(2));
        Assert.That(decoder.LiveSequences, Is.Zero);
    }

    [Test]
    public async Task GenerateAsync_MaxNewTokens_EndsWithLength()
    {
        List<GenerationUpdate> updates = await RunAsync(Answering("abcdef"), new GenerationOptions { MaxNewTokens = 3 });

        Assert.That(TextOf(updates), Is.EqualTo("abc"));
        Assert.That(updates[^1].FinishReason, Is.EqualTo(FinishReason.Length));
    }

    [Test]
    public async Task GenerateAsync_ContextEnds_EndsWithLength()
    {
        ScriptedDecoder decoder = new(VocabularySize, _ => Peak('x')) { ContextLength = 8 };

        List<GenerationUpdate> updates = await RunAsync(decoder, new GenerationOptions());

        Assert.That(TextOf(updates), Is.EqualTo("xxxxx"));
        Assert.That(updates[^1].FinishReason, Is.EqualTo(FinishReason.Length));
        Assert.That(decoder.Sequences[0].Options.MaxLength, Is.EqualTo(8));
    }

    [Test]
    public void GenerateAsync_PromptFillsTheContext_ThrowsWithTheCounts()
    {
        ScriptedDecoder decoder = new(VocabularySize, _ => Peak('x')) { ContextLength = 3 };

        PromptTooLongException e = Assert.ThrowsAsync<PromptTooLongException>(() => RunAsync(decoder, new GenerationOptions()))!;

        Assert.That(e.Message, Does.Contain("3 tokens"));
    }

    [Test]
    public async Task GenerateAsync_StopTextOverTokens_EndsBeforeIt()
    {
        List<GenerationUpdate> updates = await RunAsync(Answering("one END two"), new GenerationOptions { StopTexts = ["END"] });

        Assert.That(TextOf(updates), Is.EqualTo("one "));
        Assert.That(updates[^1].FinishReason, Is.EqualTo(FinishReason.Stop));
    }

    [Test]
    public async Task GenerateAsync_StopToken_EndsWithoutIt()
    {
        List<GenerationUpdate> updates = await RunAsync(Answering("abc;def"), new GenerationOptions { StopTokenIds = [';'] });

        Assert.That(TextOf(updates), Is.EqualTo("abc"));
        Assert.That(updates[^1].FinishReason, Is.EqualTo(FinishReason.Stop));
    }

    [Test]
    public async Task GenerateAsync_MinNewTokens_SuppressesTheEndToken()
    {
        ScriptedDecoder decoder = new(VocabularySize, _ =>
        {
            float[] logits = Peak(TestVocabulary.EndId);
            logits['x'] = 5;
            return logits;
        });

        List<GenerationUpdate> updates = await RunAsync(decoder, new GenerationOptions { MinNewTokens = 4 });

        Assert.That(TextOf(updates), Is.EqualTo("xxxx"));
    }

    [Test]
    public async Task GenerateAsync_TopLogprobs_AreLogSoftmaxOfTheRawLogits()
    {
        ScriptedDecoder decoder = new(VocabularySize, _ =>
        {
            float[] logits = new float[VocabularySize];
            logits['a'] = 3;
            logits['b'] = 2;
            return logits;
        });

        // The bias changes the choice, and must not change what is reported.
        List<GenerationUpdate> updates = await RunAsync(decoder, new GenerationOptions { MaxNewTokens = 1, TopLogprobs = 2, LogitBias = new Dictionary<int, double> { ['b'] = 50 } });

        double logSum = Math.Log(Math.Exp(3) + Math.Exp(2) + VocabularySize - 2);
        Assert.That(updates[0].TokenId, Is.EqualTo('b'));
        Assert.That(updates[0].Logprob!.Logprob, Is.EqualTo(2 - logSum).Within(1e-6));
        Assert.That(updates[0].Logprob!.Bytes.ToArray(), Is.EqualTo("b"u8.ToArray()));
        Assert.That(updates[0].TopLogprobs.Select(top => top.TokenId), Is.EqualTo(new[] { (int)'a', 'b' }));
        Assert.That(updates[0].TopLogprobs[0].Logprob, Is.EqualTo(3 - logSum).Within(1e-6));
    }

    [Test]
    public async Task GenerateAsync_SameSeed_SameAnswer()
    {
        GenerationOptions options = new() { Temperature = 2, Seed = 11, MaxNewTokens = 30 };
        ScriptedDecoder decoder = new(VocabularySize, _ => new float[VocabularySize]);

        IEnumerable<int?> first = (await RunAsync(decoder, options)).Select(update => update.TokenId);
        IEnumerable<int?> second = (await RunAsync(decoder, options)).Select(update => update.TokenId);
        IEnumerable<int?> other = (await RunAsync(decoder, options with { Seed = 12 })).Select(update => update.TokenId);

        Assert.That(second, Is.EqualTo(first));
        Assert.That(other, Is.Not.EqualTo(first));
    }

    [Test]
    public void GenerateAsync_CancelledBefore_ReadsNothing()
    {
        ScriptedDecoder decoder = Answering("abc");

        Assert.That(() => RunAsync(decoder, new GenerationOptions(), cancellationToken: new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(decoder.Sequences, Is.Empty);
    }

    [Test]
    public async Task GenerateAsync_CancelledBetweenTokens_ThrowsAndFreesTheSequence()
    {
        using CancellationTokenSource source = new();
        ScriptedDecoder decoder = Answering("abcdef");
        int seen = 0;

        async Task Consume()
        {
            await foreach (GenerationUpdate _ in Generator(decoder).GenerateAsync(Prompt(), new GenerationOptions(), source.Token))
            {
                if (++seen == 2)
                    await source.CancelAsync();
            }
        }

        Assert.That(Consume, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(seen, Is.EqualTo(2));
        Assert.That(decoder.LiveSequences, Is.Zero);
        await Task.CompletedTask;
    }

    [Test]
    public async Task GenerateAsync_ConsumerLeavesEarly_FreesTheSequence()
    {
        ScriptedDecoder decoder = Answering("abcdef");

        await foreach (GenerationUpdate _ in Generator(decoder).GenerateAsync(Prompt(), new GenerationOptions(), default))
            break;

        Assert.That(decoder.LiveSequences, Is.Zero);
    }

    [Test]
    public async Task GenerateAsync_LongPrompt_IsReadInPiecesWhereTheDeviceAppends()
    {
        ScriptedDecoder appending = new(VocabularySize, _ => Peak(TestVocabulary.EndId)) { ContextLength = 5000 };
        ScriptedDecoder whole = new(VocabularySize, _ => Peak(TestVocabulary.EndId)) { ContextLength = 5000, CanAppend = false };
        Prompt prompt = new([new PromptSegment(new int[1300])]);

        await RunAsync(appending, new GenerationOptions(), prompt: prompt);
        await RunAsync(whole, new GenerationOptions(), prompt: prompt);

        Assert.That(appending.Sequences[0].Appends.Select(append => append.TokenIds.Length), Is.EqualTo(new[] { 512, 512, 276 }));
        Assert.That(whole.Sequences[0].Appends.Select(append => append.TokenIds.Length), Is.EqualTo(new[] { 1300 }));
    }

    private static TokenGenerator Generator(ScriptedDecoder decoder) => new(decoder, Vocabulary, [TestVocabulary.EndId]);

    private static Prompt Prompt() => new([new PromptSegment(new[] { 1, 2, 3 })]);

    private static ScriptedDecoder Answering(string text, params int[] then) => ScriptedDecoder.Answering(VocabularySize, [.. text.Select(c => (int)c), .. then]);

    private static float[] Peak(int id)
    {
        float[] logits = new float[VocabularySize];
        logits[id] = 10;
        return logits;
    }

    private static string TextOf(IEnumerable<GenerationUpdate> updates) => string.Concat(updates.Select(update => update.Text));

    private static async Task<List<GenerationUpdate>> RunAsync(ScriptedDecoder decoder, GenerationOptions options, Prompt? prompt = null, CancellationToken cancellationToken = default)
    {
        List<GenerationUpdate> updates = [];
        await foreach (GenerationUpdate update in Generator(decoder).GenerateAsync(prompt ?? Prompt(), options, cancellationToken))
            updates.Add(update);
        return updates;
    }
}
