using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.ShippedModel;

internal sealed class VlmModelTests
{
    private const string Question = "What does the text say?";

    [Test]
    public void CreatePlainPrompt_Text_IsItsTokensWithoutATemplate()
    {
        Assert.That(Nano.Model.CreatePlainPrompt([new TextContent("one "), new TextContent("two")]).ToTokenIds(), Is.EqualTo(Nano.Model.Tokenizer.Encode("one two")));
        Assert.That(Nano.Model.CreatePlainPrompt([new TextContent("<|im_end|>")]).ToTokenIds(), Has.None.Matches<int>(Nano.Model.Vocabulary.IsSpecial));
        Assert.That(() => Nano.Model.CreatePlainPrompt([]), Throws.ArgumentException);
    }

    [Test]
    public async Task GenerateAsync_ImageAndQuestion_StreamsTheSameTextEachTime()
    {
        List<GenerationUpdate> first = await AskAsync(Question, Nano.SampleImage);
        List<GenerationUpdate> second = await AskAsync(Question, Nano.SampleImage);

        Assert.That(TextOf(second), Is.EqualTo(TextOf(first)));
        Assert.That(first[^1].Statistics!.ImageTokens, Is.GreaterThan(0));
        Assert.That(first[^1].Statistics!.PromptTokens, Is.GreaterThan(first[^1].Statistics!.ImageTokens));
        Assert.That(first[^1].Statistics!.TimeToFirstToken, Is.GreaterThan(TimeSpan.Zero));
    }

    [Test]
    public async Task GenerateAsync_AnotherImage_ChangesTheAnswer()
    {
        string first = TextOf(await AskAsync(Question, Nano.SampleImage));
        string other = TextOf(await AskAsync(Question, Path.Combine(Nano.TestData, "ocr", "images", "0002.png")));

        Assert.That(other, Is.Not.EqualTo(first));
    }

    [Test]
    public async Task GenerateAsync_GreedyAndScored_ChooseTheSameTokens()
    {
        // The fast path takes the runtime's own argmax; a bias of 0 takes the way through the logits.
        List<GenerationUpdate> plain = await AskAsync(Question, Nano.SampleImage);
        List<GenerationUpdate> scored = await AskAsync(Question, Nano.SampleImage, new GenerationOptions { LogitBias = new Dictionary<int, double> { [0] = 0 } });

        Assert.That(scored.Select(update => update.TokenId), Is.EqualTo(plain.Select(update => update.TokenId)));
    }

    [Test]
    public async Task GenerateAsync_TopLogprobs_AreLogSoftmaxOfTheSequenceLogits()
    {
        Prompt prompt = CreatePrompt(Question, Nano.SampleImage);
        List<GenerationUpdate> updates = await Nano.Model.GenerateAsync(prompt, new GenerationOptions { TopLogprobs = 3, MaxNewTokens = 4 }).ToListAsync();

        using VlmSequence sequence = Nano.Model.CreateSequence(prompt.TokenCount + 4, prompt.Segments.Sum(segment => segment.Image?.Count ?? 0));
        sequence.Append(prompt.Segments);
        foreach (GenerationUpdate update in updates.Where(update => update.TokenId is not null))
        {
            float[] logits = sequence.NextLogits();
            double logSum = Math.Log(logits.Sum(x => Math.Exp(x)));
            Assert.That(update.Logprob!.Logprob, Is.EqualTo(logits[update.TokenId!.Value] - logSum).Within(1e-4));
            Assert.That(update.TopLogprobs[0].Logprob, Is.EqualTo(logits.Max() - logSum).Within(1e-4));
            sequence.Append(new PromptSegment(new[] { update.TokenId.Value }));
        }
    }

    [Test]
    public async Task GenerateAsync_Regex_AnswerMatches()
    {
        string answer = TextOf(await AskAsync(Question, Nano.SampleImage, new GenerationOptions { Guidance = Guidance.Regex("[0-9]{3}-[xyz]"), Temperature = 1.5, Seed = 1 }));

        Assert.That(answer, Does.Match("^[0-9]{3}-[xyz]$"));
    }

    [Test]
    public void GenerateAsync_PatternThatCannotBeCompiled_Throws()
    {
        GenerationOptions options = new() { Guidance = Guidance.Regex("(") };

        Assert.That(() => AskAsync(Question, Nano.SampleImage, options), Throws.ArgumentException.With.Message.Contains("regular expression"));
    }

    [Test]
    public void JsonSchema_UnknownType_ThrowsBeforeAnythingRuns() =>
        Assert.That(() => Guidance.JsonSchema("""{"type": "nonsense"}"""), Throws.ArgumentException.With.Message.Contains("schema.type").And.Message.Contains("nonsense"));

    [Test]
    public async Task GenerateAsync_Cancelled_ThrowsAndFreesTheSequence()
    {
        int owners = NativeOwner.Count;
        using CancellationTokenSource source = new();
        using (VlmModel model = VlmModel.Load(Nano.Folder))
        {
            Prompt prompt = CreatePrompt(Question, Nano.SampleImage);

            async Task Consume()
            {
                await foreach (GenerationUpdate _ in model.GenerateAsync(prompt, new GenerationOptions { MinNewTokens = 100 }, source.Token))
                    await source.CancelAsync();
            }

            Assert.That(Consume, Throws.InstanceOf<OperationCanceledException>());
        }
        Assert.That(NativeOwner.Count, Is.EqualTo(owners));
    }

    [Test]
    public async Task GenerateAsync_TwoHundredRuns_LeaveNoNativeOwnerAndFlatMemory()
    {
        int owners = NativeOwner.Count;
        using (VlmModel model = VlmModel.Load(Nano.Folder, new VlmOptions { CacheBytes = 0 }))
        {
            GenerationOptions options = new() { MaxNewTokens = 4 };
            for (int i = 0; i < 20; i++)
                await AskAsync(Question, i % 2 == 0 ? Nano.SampleImage : null, options, model);
            long before = WorkingSet();
            for (int i = 0; i < 200; i++)
                await AskAsync(Question, i % 2 == 0 ? Nano.SampleImage : null, options, model);
            long after = WorkingSet();

            TestContext.Out.WriteLine($"working set {before / 1e6:F1} MB before 200 runs, {after / 1e6:F1} MB after");
            // One leaked sequence of this model holds more than half a megabyte of cache, so 200 of them could not hide in this.
            Assert.That(after - before, Is.LessThan(50_000_000));
        }
        Assert.That(NativeOwner.Count, Is.EqualTo(owners));
    }

    [Test]
    public void Load_ModelAfterModel_LeavesNoNativeOwner()
    {
        int owners = NativeOwner.Count;
        for (int i = 0; i < 4; i++)
            VlmModel.Load(Nano.Folder).Dispose();

        Assert.That(NativeOwner.Count, Is.EqualTo(owners));
    }

    private static long WorkingSet()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Environment.WorkingSet;
    }

    private static Prompt CreatePrompt(string question, string? image) => Nano.Model.CreatePrompt([new ChatMessage(ChatRole.User,
        image is null ? [new TextContent(question)] : [new DataContent(File.ReadAllBytes(image), "image/png"), new TextContent(question)])]);

    private static async Task<List<GenerationUpdate>> AskAsync(string question, string? image, GenerationOptions? options = null, VlmModel? model = null) =>
        await (model ?? Nano.Model).GenerateAsync(CreatePrompt(question, image), options ?? new GenerationOptions { MaxNewTokens = 32 }).ToListAsync();

    private static string TextOf(IEnumerable<GenerationUpdate> updates) => string.Concat(updates.Select(update => update.Text));
}
