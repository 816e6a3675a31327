using OnnxVlm.Generation;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Generation;

/// <summary>Reasoning is told from the answer by the tokens around it, and tokens that the model must not say are never taken.</summary>
internal sealed class ReasoningTests
{
    private const int Begin = 1, End = 2, VocabularySize = 258;

    private static readonly Vocabulary Vocabulary = TestVocabulary.Bytes();

    private static readonly ReasoningTokens Tokens = new() { Begin = Begin, End = End, Header = "thought\n" };

    [TestCase("[thought\nhm, yes]Yes.", "hm, yes", "Yes.")]
    [TestCase("Yes.", "", "Yes.")]
    [TestCase("[thought\n]Yes.", "", "Yes.")]
    [TestCase("[]Yes.", "", "Yes.")]
    [TestCase("[tho]Yes.", "", "Yes.")]
    [TestCase("[thoughtful]Yes.", "thoughtful", "Yes.")]
    [TestCase("So: [thought\nhm]yes[thought\nähem]!", "hmähem", "So: yes!")]
    [TestCase("[thought\nhm, ye", "hm, ye", "")]
    [TestCase("[thoug", "", "")]
    public async Task GenerateAsync_TokensAroundReasoning_SetItApart(string says, string reasoning, string answer)
    {
        List<GenerationUpdate> updates = await RunAsync(says, new GenerationOptions(), [1000]);

        Assert.That(string.Concat(updates.Where(update => update.IsReasoning).Select(update => update.Text)), Is.EqualTo(reasoning));
        Assert.That(string.Concat(updates.Where(update => !update.IsReasoning).Select(update => update.Text)), Is.EqualTo(answer));
        Assert.That(updates[^1].Statistics!.GeneratedTokens, Is.EqualTo(Encode(says).Length), "reasoning counts as generated");
    }

    [Test]
    public async Task GenerateAsync_PromptThatEndsInReasoning_GoesOnWithIt()
    {
        List<GenerationUpdate> updates = await RunAsync("hm]Yes.", new GenerationOptions(), [End, Begin, 't']);
        Assert.That(string.Concat(updates.Where(update => update.IsReasoning).Select(update => update.Text)), Is.EqualTo("hm"));
    }

    [Test]
    public async Task GenerateAsync_StopSequenceInReasoning_DoesNotStop()
    {
        List<GenerationUpdate> updates = await RunAsync("[thought\nno stop]Yes, stop here.", new GenerationOptions { StopSequences = ["stop"] }, [1000]);
        Assert.That(string.Concat(updates.Where(update => !update.IsReasoning).Select(update => update.Text)), Is.EqualTo("Yes, "));
        Assert.That(updates[^1].FinishReason, Is.EqualTo(FinishReason.Stop));
    }

    [TestCase(0.0)]
    [TestCase(1.0)]
    public async Task GenerateAsync_SuppressedToken_IsNeverTaken(double temperature)
    {
        ScriptedDecoder decoder = new(VocabularySize, _ => [.. Enumerable.Range(0, VocabularySize).Select(id => id == 'x' ? 30f : id == 'y' ? 20f : 0)]);
        using TokenGenerator generator = new(decoder, Vocabulary, [TestVocabulary.EndId], _ => [], (_, _) => new FreeGrammar(), cacheBytes: 0, suppressedTokenIds: ['x']);
        List<GenerationUpdate> updates = await generator.GenerateAsync(new Prompt([new PromptSegment(new[] { 5 })]), new GenerationOptions { MaxNewTokens = 4, Temperature = temperature, Seed = 1 }, CancellationToken.None).ToListAsync();
        Assert.That(string.Concat(updates.Select(update => update.Text)), Is.EqualTo("yyyy"));
    }

    private static async Task<List<GenerationUpdate>> RunAsync(string says, GenerationOptions options, int[] prompt)
    {
        ScriptedDecoder decoder = ScriptedDecoder.Answering(VocabularySize, [.. Encode(says), TestVocabulary.EndId]);
        using TokenGenerator generator = new(decoder, Vocabulary, [TestVocabulary.EndId], _ => [], (_, _) => new FreeGrammar(), cacheBytes: 0, reasoning: Tokens);
        return await generator.GenerateAsync(new Prompt([new PromptSegment(prompt)]), options, CancellationToken.None).ToListAsync();
    }

    private static int[] Encode(string says) => [.. System.Text.Encoding.UTF8.GetBytes(says).Select(value => value switch { (byte)'[' => Begin, (byte)']' => End, _ => value })];
}
