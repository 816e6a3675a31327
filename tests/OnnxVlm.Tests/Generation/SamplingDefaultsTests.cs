using OnnxVlm.Generation;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Generation;

internal sealed class SamplingDefaultsTests
{
    private static readonly SamplingDefaults Defaults = new() { Temperature = 0.6, TopK = 20, TopP = 0.95, MinP = 0.1, RepetitionPenalty = 1.05 };

    [Test]
    public void Over_NothingGiven_IsAsTheModelsAuthorsSay()
    {
        GenerationOptions options = new GenerationOptions().Over(Defaults);

        Assert.That((options.Temperature, options.TopK, options.TopP, options.MinP, options.RepetitionPenalty), Is.EqualTo(((double?)0.6, (int?)20, (double?)0.95, (double?)0.1, (double?)1.05)));
    }

    [Test]
    public void Over_Given_Wins()
    {
        GenerationOptions options = new GenerationOptions { Temperature = 0, TopK = 0, TopP = 1, MinP = 0, RepetitionPenalty = 1 }.Over(Defaults);

        Assert.That((options.Temperature, options.TopK, options.TopP, options.MinP, options.RepetitionPenalty), Is.EqualTo(((double?)0, (int?)0, (double?)1, (double?)0, (double?)1)));
    }

    [Test]
    public void Over_NobodySaysAnything_TakesTheMostProbableToken()
    {
        GenerationOptions options = new GenerationOptions().Over(null);

        Assert.That((options.Temperature, options.TopK, options.TopP, options.MinP, options.RepetitionPenalty), Is.EqualTo(((double?)0, (int?)0, (double?)1, (double?)0, (double?)1)));
    }

    [Test]
    public async Task GenerateAsync_RequestSaysNothing_IsSampled()
    {
        // Two tokens, equally probable; greedy takes the first each time.
        ScriptedDecoder decoder = new(258, _ => [.. Enumerable.Range(0, 258).Select(id => id is 'a' or 'b' ? 10f : 0)]);
        using TokenGenerator sampled = new(decoder, TestVocabulary.Bytes(), [TestVocabulary.EndId], _ => [], (_, _) => new FreeGrammar(), cacheBytes: 0, sampling: new SamplingDefaults { Temperature = 1 });
        using TokenGenerator greedy = new(decoder, TestVocabulary.Bytes(), [TestVocabulary.EndId], _ => [], (_, _) => new FreeGrammar(), cacheBytes: 0);
        Prompt prompt = new([new PromptSegment(new[] { 1 })]);
        GenerationOptions options = new() { MaxNewTokens = 40, Seed = 1 };

        Assert.That(await TextOf(greedy, options), Is.EqualTo(new string('a', 40)));
        Assert.That(await TextOf(sampled, options), Does.Contain("a").And.Contain("b"));
        Assert.That(await TextOf(sampled, options with { Temperature = 0 }), Is.EqualTo(new string('a', 40)));

        async Task<string> TextOf(TokenGenerator generator, GenerationOptions given) =>
            string.Concat((await generator.GenerateAsync(prompt, given, CancellationToken.None).ToListAsync()).Select(update => update.Text));
    }

    [Test]
    public void Validate_OutOfRange_NamesTheKey() => Assert.That(() => new SamplingDefaults { TopP = 2 }.Validate(), Throws.ArgumentException.With.Message.StartsWith("sampling: TopP"));
}
