using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.ShippedModel;

/// <summary>Prefix reuse, concurrency and disposal on the shipped model.</summary>
internal sealed class ConversationTests
{
    private static string[] Images { get; } = [.. Directory.GetFiles(Path.Combine(Nano.TestData, "ocr", "images"), "*.png").Order(StringComparer.Ordinal).Take(40)];

    [Test]
    public async Task GenerateAsync_RandomConversationsWithImages_SameTokensAsAFreshPrefill()
    {
        Random random = new(9);
        using VlmModel fresh = VlmModel.Load(Nano.Folder, new VlmOptions { CacheBytes = 0 });
        int reused = 0, prompts = 0, firstPrompt = 0;
        for (int conversation = 0; conversation < 100; conversation++)
        {
            List<ChatMessage> messages = [];
            for (int turn = 0; turn < 2 + random.Next(2); turn++)
            {
                messages.Add(Question(random, withImage: turn == 0 || random.Next(3) == 0));
                GenerationOptions options = new() { MaxNewTokens = 1 + random.Next(8) };
                (int[] warm, string text, GenerationStatistics statistics) = await RunAsync(Nano.Model, messages, options);
                (int[] cold, _, _) = await RunAsync(fresh, messages, options);

                Assert.That(warm, Is.EqualTo(cold), $"conversation {conversation}, turn {turn}");
                if (turn == 1)
                {
                    // All of the first turn's prompt; its answer is tokenized anew, and may come out in other tokens.
                    Assert.That(statistics.CachedTokens, Is.GreaterThanOrEqualTo(firstPrompt - 1));
                    reused += statistics.CachedTokens;
                    prompts += statistics.PromptTokens;
                }
                firstPrompt = turn == 0 ? statistics.PromptTokens : firstPrompt;
                messages.Add(new ChatMessage(ChatRole.Assistant, text));
            }
        }
        TestContext.Out.WriteLine($"second turns: {reused} of {prompts} prompt tokens came from the cache");
    }

    [Test]
    public async Task GenerateAsync_GuidedTurns_SameTokensAsAFreshPrefill()
    {
        using VlmModel fresh = VlmModel.Load(Nano.Folder, new VlmOptions { CacheBytes = 0 });
        GenerationOptions options = new() { Guidance = Guidance.Regex("[a-z]{3,6}[0-9]{2}"), MaxNewTokens = 20 };
        int cachedTokens = 0;
        for (int conversation = 0; conversation < 10; conversation++)
        {
            List<ChatMessage> messages = [];
            for (int turn = 0; turn < 3; turn++)
            {
                messages.Add(turn == 0 ? Question(Images[conversation]) : new ChatMessage(ChatRole.User, $"And number {turn}?"));
                (int[] warm, string text, GenerationStatistics statistics) = await RunAsync(Nano.Model, messages, options);
                (int[] cold, _, _) = await RunAsync(fresh, messages, options);

                Assert.That(warm, Is.EqualTo(cold), $"conversation {conversation}, turn {turn}");
                Assert.That(text, Does.Match("^[a-z]{3,6}[0-9]{2}$"));
                cachedTokens += statistics.CachedTokens;
                messages.Add(new ChatMessage(ChatRole.Assistant, text));
            }
        }
        Assert.That(cachedTokens, Is.GreaterThan(1000));
    }

    [Test]
    public async Task GenerateAsync_EightCallersWithCancellations_UncancelledAnswersAreTheSequentialOnes()
    {
        const int Callers = 8, Requests = 50;
        GenerationOptions options = new() { MaxNewTokens = 12 };
        Dictionary<string, int[]> expected = [];
        foreach (string image in Images)
            expected[image] = (await RunAsync(Nano.Model, [Question(image)], options)).Tokens;

        int finished = 0;
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            Random random = new(caller);
            for (int i = 0; i < Requests; i++)
            {
                string image = Images[random.Next(Images.Length)];
                using CancellationTokenSource source = new();
                if (random.Next(3) == 0)
                    source.CancelAfter(TimeSpan.FromMilliseconds(random.Next(10)));
                try
                {
                    int[] tokens = (await RunAsync(Nano.Model, [Question(image)], options, source.Token)).Tokens;
                    Assert.That(tokens, Is.EqualTo(expected[image]));
                    Interlocked.Increment(ref finished);
                }
                catch (OperationCanceledException) when (source.IsCancellationRequested)
                {
                    // Asked for.
                }
            }
        })));

        TestContext.Out.WriteLine($"{finished} of {Callers * Requests} answers were not cancelled");
        Assert.That(finished, Is.GreaterThan(Callers * Requests / 4));
    }

    [Test]
    public async Task Dispose_WhileAnswersRun_EndsThemAndFreesTheModel()
    {
        int owners = NativeOwner.Count;
        VlmModel model = VlmModel.Load(Nano.Folder);
        using SemaphoreSlim started = new(0);
        Task[] answers = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            await foreach (GenerationUpdate update in model.GenerateAsync(model.CreatePrompt([Question(Images[0])]), new GenerationOptions { MinNewTokens = 1900, MaxNewTokens = 1900 }))
                started.Release();
        }))];
        for (int i = 0; i < 8; i++)
            await started.WaitAsync();

        model.Dispose();

        foreach (Task answer in answers)
            Assert.That(async () => await answer, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(NativeOwner.Count, Is.EqualTo(owners));
        Assert.That(() => model.CreatePrompt([Question(Images[0])]), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public async Task GenerateAsync_CallbackAppendsAnImage_SameTokensAsAPromptThatHasIt()
    {
        // The callback puts image and text behind the first token; a prompt with all of it must go on in the same way.
        Prompt prompt = Nano.Model.CreatePrompt([Question(Images[0])]);
        byte[] image = File.ReadAllBytes(Images[1]);
        GenerationOptions options = new()
        {
            MinNewTokens = 6,
            MaxNewTokens = 6,
            OnToken = step => step.Index == 0 ? TokenDecision.Append(new DataContent(image, "image/png"), new TextContent(" and")) : TokenDecision.Continue,
        };
        int[] steered = [.. (await Nano.Model.GenerateAsync(prompt, options).ToListAsync()).Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value)];

        PromptSegment picture = ImageRun.Create(Nano.Model.Manifest.Image.Tokens, Nano.Model.ImagePreprocessor.Process(image));
        Prompt whole = new([.. prompt.Segments, new PromptSegment(steered.AsMemory(0, 1)), picture, new PromptSegment(Nano.Model.Tokenizer.Encode(" and"))]);
        using VlmModel fresh = VlmModel.Load(Nano.Folder, new VlmOptions { CacheBytes = 0 });
        int[] expected = [.. (await fresh.GenerateAsync(whole, new GenerationOptions { MinNewTokens = 5, MaxNewTokens = 5 }).ToListAsync()).Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value)];

        Assert.That(steered.Skip(1), Is.EqualTo(expected));
    }

    private static ChatMessage Question(Random random, bool withImage)
    {
        string[] questions = ["What does the text say?", "Hello", "And now?", "How many characters are in the text?"];
        List<AIContent> contents = withImage ? [Picture(Images[random.Next(Images.Length)])] : [];
        contents.Add(new TextContent(questions[random.Next(questions.Length)]));
        return new ChatMessage(ChatRole.User, contents);
    }

    private static ChatMessage Question(string image) => new(ChatRole.User, [Picture(image), new TextContent("What does the text say?")]);

    private static DataContent Picture(string path) => new(File.ReadAllBytes(path), "image/png");

    private static async Task<(int[] Tokens, string Text, GenerationStatistics Statistics)> RunAsync(VlmModel model, IEnumerable<ChatMessage> messages, GenerationOptions options, CancellationToken cancellationToken = default)
    {
        List<GenerationUpdate> updates = await model.GenerateAsync(model.CreatePrompt(messages), options, cancellationToken).ToListAsync(CancellationToken.None);
        return ([.. updates.Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value)], string.Concat(updates.Select(update => update.Text)), updates[^1].Statistics!);
    }
}
