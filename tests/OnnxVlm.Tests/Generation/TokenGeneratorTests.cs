using Microsoft.Extensions.AI;
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
        Assert.That(decoder.ActiveSequences, Is.Zero);
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
    public async Task GenerateAsync_PromptFillsTheContext_ThrowsWithTheCounts()
    {
        ScriptedDecoder decoder = new(VocabularySize, _ => Peak('x')) { ContextLength = 3 };

        PromptTooLongException? e = await Assert.ThrowsAsync<PromptTooLongException>(() => RunAsync(decoder, new GenerationOptions()));

        Assert.That(e?.Message, Does.Contain("3 tokens"));
    }

    [Test]
    public async Task GenerateAsync_StopSequenceOverTokens_EndsBeforeIt()
    {
        List<GenerationUpdate> updates = await RunAsync(Answering("one END two"), new GenerationOptions { StopSequences = ["other", "END"] });

        Assert.That(updates.Select(update => update.StopSequence).Distinct(), Is.EqualTo(new[] { null, "END" }));
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
    public async Task GenerateAsync_CallbackStops_EndsBeforeTheToken()
    {
        List<GenerationUpdate> updates = await RunAsync(Answering("abcdef"), new GenerationOptions { OnToken = step => step.Text == "abc" ? TokenDecision.Stop : TokenDecision.Continue });

        Assert.That(TextOf(updates), Is.EqualTo("abc"));
        Assert.That(updates[^1].FinishReason, Is.EqualTo(FinishReason.Stop));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task GenerateAsync_CallbackReplaces_TheModelReadsTheOtherToken(bool canAppend)
    {
        // Says the letter after the one it read last.
        ScriptedDecoder decoder = new(VocabularySize, tokens => Peak(tokens[^1] + 1)) { CanAppend = canAppend };

        List<GenerationUpdate> updates = await RunAsync(decoder, new GenerationOptions { MaxNewTokens = 4, OnToken = step => step.TokenId == 'b' ? TokenDecision.Replace('x') : TokenDecision.Continue }, Prompt('a'));

        Assert.That(TextOf(updates), Is.EqualTo("xyz{"));
        Assert.That(decoder.ActiveSequences, Is.Zero);
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task GenerateAsync_CallbackReplacesAnEndToken_TheAnswerGoesOn(bool canAppend)
    {
        ScriptedDecoder decoder = new(VocabularySize, tokens => Peak(tokens[^1] == 'c' ? TestVocabulary.EndId : tokens[^1] + 1)) { CanAppend = canAppend };

        List<GenerationUpdate> updates = await RunAsync(decoder, new GenerationOptions { MaxNewTokens = 4, OnToken = step => step.IsEnd ? TokenDecision.Replace('p') : TokenDecision.Continue }, Prompt('a'));

        Assert.That(TextOf(updates), Is.EqualTo("bcpq"));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task GenerateAsync_CallbackAppends_TheModelGoesOnFromThere(bool canAppend)
    {
        ScriptedDecoder decoder = new(VocabularySize, tokens => Peak(tokens[^1] + 1)) { CanAppend = canAppend };

        List<GenerationUpdate> updates = await RunAsync(decoder, new GenerationOptions { MaxNewTokens = 4, OnToken = step => step.TokenId == 'c' ? TokenDecision.Append(new TextContent("lm")) : TokenDecision.Continue }, Prompt('a'));

        Assert.That(TextOf(updates), Is.EqualTo("bcno"));
        Assert.That(decoder.Sequences[^1].Tokens.Take(6), Is.EqualTo("abclmn".Select(c => (int)c)));
    }

    [Test]
    public async Task GenerateAsync_CallbackAppendsAtTheEndToken_TheEndIsNotSaid()
    {
        ScriptedDecoder decoder = new(VocabularySize, tokens => Peak(tokens[^1] is 'c' or 'n' ? TestVocabulary.EndId : tokens[^1] + 1));
        bool appended = false;

        List<GenerationUpdate> updates = await RunAsync(decoder, new GenerationOptions
        {
            OnToken = step => step.IsEnd && !appended && (appended = true) ? TokenDecision.Append(new TextContent("l")) : TokenDecision.Continue,
        }, Prompt('a'));

        Assert.That(TextOf(updates), Is.EqualTo("bcmn"));
    }

    [Test]
    public async Task GenerateAsync_CallbackAppendsMoreThanFits_IsReadAgainByALargerSequence()
    {
        ScriptedDecoder decoder = new(VocabularySize, tokens => Peak(tokens[^1] + 1));
        bool appended = false;

        List<GenerationUpdate> updates = await RunAsync(decoder, new GenerationOptions
        {
            MaxNewTokens = 3,
            OnToken = _ => !appended && (appended = true) ? TokenDecision.Append(new TextContent(new string('k', 100))) : TokenDecision.Continue,
        }, Prompt('a'));

        Assert.That(TextOf(updates), Is.EqualTo("blm"));
        Assert.That(decoder.Sequences, Has.Count.EqualTo(2));
        Assert.That(decoder.ActiveSequences, Is.Zero);
    }

    [Test]
    public void GenerateAsync_CallbackThrows_TheExceptionEndsTheAnswer()
    {
        ScriptedDecoder decoder = Answering("abc");

        Assert.That(() => RunAsync(decoder, new GenerationOptions { OnToken = _ => throw new InvalidOperationException("mine") }), Throws.InvalidOperationException.With.Message.EqualTo("mine"));
        Assert.That(decoder.ActiveSequences, Is.Zero);
    }

    [Test]
    public void GenerateAsync_CallbackChangesAGuidedAnswer_Throws()
    {
        GenerationOptions options = new() { Guidance = Guidance.Regex("a+"), OnToken = _ => TokenDecision.Replace('b') };

        Assert.That(() => RunAsync(Answering("aaa"), options), Throws.InvalidOperationException.With.Message.Contains("grammar"));
    }

    [Test]
    public void GenerateAsync_TokenOutsideTheVocabulary_Throws()
    {
        Assert.That(() => RunAsync(Answering("a"), new GenerationOptions { StopTokenIds = [VocabularySize] }), Throws.ArgumentException);
        Assert.That(() => RunAsync(Answering("a"), new GenerationOptions { LogitBias = new Dictionary<int, double> { [-1] = 1 } }), Throws.ArgumentException);
    }

    [Test]
    public void GenerateAsync_CancelledWhileThePromptIsRead_StopsWithinTheRunningPiece()
    {
        using CancellationTokenSource source = new();
        ScriptedDecoder decoder = new(VocabularySize, _ => Peak('x')) { ContextLength = 5000 };
        decoder.OnRead = sequence =>
        {
            if (sequence.Reads.Count == 1)
                source.Cancel();
        };

        Assert.That(() => RunAsync(decoder, new GenerationOptions(), new OnnxVlm.Prompting.Prompt([new PromptSegment(new int[2000])]), source.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(decoder.Sequences[0].Reads, Has.Count.EqualTo(2), "of four pieces");
        Assert.That(decoder.ActiveSequences, Is.Zero);
    }

    [Test]
    public async Task GenerateAsync_RandomOptions_ChoosesTheTokensOfAPlainReference()
    {
        Random random = new(12);
        for (int round = 0; round < 1000; round++)
        {
            float[][] rows = [.. Enumerable.Range(0, 6).Select(_ => Enumerable.Range(0, 32).Select(_ => (float)((random.NextDouble() * 6) - 3)).ToArray())];
            GenerationOptions options = new()
            {
                MaxNewTokens = 6,
                Seed = round,
                Temperature = random.Next(2) * (0.2 + random.NextDouble()),
                TopK = random.Next(3) * 4,
                TopP = random.Next(2) == 0 ? 1 : 0.2 + (0.7 * random.NextDouble()),
                MinP = random.Next(2) * 0.5 * random.NextDouble(),
                RepetitionPenalty = random.Next(2) == 0 ? 1 : 0.7 + random.NextDouble(),
                PresencePenalty = (random.NextDouble() * 4) - 2,
                FrequencyPenalty = (random.NextDouble() * 4) - 2,
                LogitBias = new Dictionary<int, double> { [random.Next(32)] = (random.NextDouble() * 8) - 4 },
            };
            ScriptedDecoder decoder = new(32, tokens => rows[tokens.Count - 3]);

            IEnumerable<int> chosen = (await RunAsync(decoder, options)).Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value);

            Assert.That(chosen, Is.EqualTo(SamplingReference.Choose(rows, [1, 2, 3], options)), $"round {round}");
        }
    }

    [Test]
    public async Task GenerateAsync_AsManyAnswersAsThreads_OtherWorkGetsItsTurn()
    {
        // Work that an answer's consumer queues on the thread pool must not wait until the answers are over.
        int finished = 0;
        int[] finishedBefore = await Task.WhenAll(Enumerable.Range(0, 2 * Environment.ProcessorCount).Select(_ => Task.Run(async () =>
        {
            ScriptedDecoder decoder = new(VocabularySize, _ =>
            {
                Thread.SpinWait(20_000);
                return Peak('x');
            });
            Task<int>? other = null;
            int seen = 0;
            await foreach (GenerationUpdate _ in Generator(decoder).GenerateAsync(Prompt(), new GenerationOptions { MaxNewTokens = 500 }, default))
            {
                if (++seen == 100)
                    other = Task.Run(() => Volatile.Read(ref finished));
            }
            Interlocked.Increment(ref finished);
            return await other!;
        })));

        Assert.That(finishedBefore, Is.All.Zero);
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
        Assert.That(decoder.ActiveSequences, Is.Zero);
        await Task.CompletedTask;
    }

    [Test]
    public async Task GenerateAsync_ConsumerLeavesEarly_FreesTheSequence()
    {
        ScriptedDecoder decoder = Answering("abcdef");

        await foreach (GenerationUpdate _ in Generator(decoder).GenerateAsync(Prompt(), new GenerationOptions(), default))
            break;

        Assert.That(decoder.ActiveSequences, Is.Zero);
    }

    [Test]
    public async Task GenerateAsync_LongPrompt_IsReadInPiecesWhereTheDeviceAppends()
    {
        ScriptedDecoder appending = new(VocabularySize, _ => Peak(TestVocabulary.EndId)) { ContextLength = 5000 };
        ScriptedDecoder whole = new(VocabularySize, _ => Peak(TestVocabulary.EndId)) { ContextLength = 5000, CanAppend = false };
        Prompt prompt = new([new PromptSegment(new int[1300])]);

        await RunAsync(appending, new GenerationOptions(), prompt: prompt);
        await RunAsync(whole, new GenerationOptions(), prompt: prompt);

        Assert.That(appending.Sequences[0].Reads.Select(read => read.TokenIds.Length), Is.EqualTo(new[] { 512, 512, 276 }));
        Assert.That(whole.Sequences[0].Reads.Select(read => read.TokenIds.Length), Is.EqualTo(new[] { 1300 }));
    }

    private static TokenGenerator Generator(ScriptedDecoder decoder) => new(decoder, Vocabulary, [TestVocabulary.EndId], Encode, (_, _) => new FreeGrammar(), cacheBytes: 0);

    // Content in the middle of an answer: the text's bytes as tokens.
    private static IReadOnlyList<PromptSegment> Encode(IReadOnlyList<AIContent> contents) => [new PromptSegment(contents.Cast<TextContent>().SelectMany(text => text.Text).Select(c => (int)c).ToArray())];

    private static Prompt Prompt(params int[] ids) => new([new PromptSegment(ids.Length == 0 ? [1, 2, 3] : ids)]);

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
