using OnnxVlm.Evaluation.Verification;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.ShippedModel;

/// <summary>The shipped model against outputs of an independent implementation (export/training/make_goldens.py).</summary>
internal sealed class GoldenTests
{
    private static IEnumerable<string> Cases => ReferenceCase.FoldersOf(Path.Combine(Nano.TestData, "nano-goldens")).Select(folder => Path.GetFileName(folder));

    [TestCaseSource(nameof(Cases))]
    public void Compare_ReferenceCase_SameLogitsAndTokens(string name)
    {
        ReferenceCase reference = ReferenceCase.Load(Path.Combine(Nano.TestData, "nano-goldens", "cases", name), Nano.Model);

        Comparison found = Verifier.Compare(Nano.Model, reference);

        TestContext.Out.WriteLine($"max |Δlogit| {found.MaxDifference:E2} over {found.Rows} rows");
        Assert.That(found.MaxDifference, Is.LessThanOrEqualTo(1e-4));
        Assert.That(found.TokensEqual, Is.True);
    }

    [TestCaseSource(nameof(Cases))]
    public async Task GenerateAsync_ReferenceCase_LogprobsAreLogSoftmaxOfTheReference(string name)
    {
        ReferenceCase reference = ReferenceCase.Load(Path.Combine(Nano.TestData, "nano-goldens", "cases", name), Nano.Model);
        int[] endTokens = [.. Nano.Model.Manifest.EndTokenIds];
        GenerationOptions options = new() { MaxNewTokens = reference.Tokens.Length, TopLogprobs = 5 };

        List<GenerationUpdate> updates = [.. (await Nano.Model.GenerateAsync(new Prompt(reference.Segments), options).ToListAsync()).Where(update => update.TokenId is not null)];

        Assert.That(updates.Select(update => update.TokenId!.Value), Is.EqualTo(reference.Tokens.TakeWhile(token => !endTokens.Contains(token))));
        for (int i = 0; i < updates.Count; i++)
        {
            double[] logits = [.. reference.GeneratedLogits.Skip(i * reference.VocabularySize).Take(reference.VocabularySize)];
            double logSum = logits.Max() + Math.Log(logits.Sum(x => Math.Exp(x - logits.Max())));
            Assert.That(updates[i].Logprob!.Logprob, Is.EqualTo(logits[reference.Tokens[i]] - logSum).Within(1e-4));
            foreach (TokenLogprob top in updates[i].TopLogprobs)
                Assert.That(top.Logprob, Is.EqualTo(logits[top.TokenId] - logSum).Within(1e-4));
        }
    }

    [Test]
    public void Compare_OneLogitOff_IsNoticed()
    {
        // The comparison itself must be able to fail.
        ReferenceCase reference = ReferenceCase.Load(Path.Combine(Nano.TestData, "nano-goldens", "cases", "one_image"), Nano.Model);
        reference.Logits[^1] += 0.01f;

        Assert.That(Verifier.Compare(Nano.Model, reference).MaxDifference, Is.GreaterThan(5e-3));
    }
}
