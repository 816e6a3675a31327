using OnnxVlm.Evaluation.Verification;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Exporting;

/// <summary>A tiny gemma4_unified checkpoint and what the reference code (transformers 5.15, executed) computes with it: exported, run by the library and compared.</summary>
internal sealed class GemmaGoldenTests
{
    private static readonly string Checkpoint = Path.Combine(Nano.TestData, "gemma4_unified");

    private ExportedCheckpoint? _exported;

    private static IEnumerable<string> Cases => ExportedCheckpoint.CasesOf(Checkpoint);

    private static IEnumerable<string> Images => ExportedCheckpoint.ImagesOf(Checkpoint);

    private ExportedCheckpoint Exported => _exported!;

    private VlmModel Model => Exported.Model;

    [OneTimeSetUp]
    public void Export() => _exported = new ExportedCheckpoint(Checkpoint, new VlmOptions { ImageLimits = new ImageLimits { MinSidePx = 1, MaxAspectRatio = 65535 } });

    [OneTimeTearDown]
    public void Delete() => _exported?.Dispose();

    [TestCaseSource(nameof(Cases))]
    public void Compare_ReferenceCase_SameLogitsAndTokens(string name) => Exported.ExpectReference(name);

    [TestCaseSource(nameof(Images))]
    public void Compare_ReferenceImage_SamePixels(string name)
    {
        string folder = Path.Combine(Checkpoint, "preprocess", name);
        string found = BudgetCase.Compare(folder, Model.Manifest.Image, Model.ImagePreprocessor.Decode(File.ReadAllBytes(Path.Combine(folder, "image.png"))));

        TestContext.Out.WriteLine(found);
        Assert.That(found, Does.Contain("all").And.Contain("grey level"));
        Assert.That(BudgetCase.FoldersOf(Checkpoint, Model.Manifest.Image), Has.Member(folder));
    }

    [Test]
    public void Compare_OtherFilter_IsNoticed()
    {
        string folder = Path.Combine(Checkpoint, "preprocess", "w31h29");
        ImageRules rules = Model.Manifest.Image with { Resize = Model.Manifest.Image.Resize with { Filter = ResizeFilter.Bilinear } };

        Assert.That(() => BudgetCase.Compare(folder, rules, Model.ImagePreprocessor.Decode(File.ReadAllBytes(Path.Combine(folder, "image.png")))), Throws.TypeOf<VlmException>());
    }

    [Test]
    public void Append_ImageInALaterTurnAndAfterARewind_SameLogitsAsAtOnce()
    {
        ReferenceCase one = Exported.Case("one_image"), two = Exported.Case("two_images");
        PromptSegment[] first = [.. one.Segments], second = [.. two.Segments];
        float[] expected = AtOnce([.. first, .. second]), other = AtOnce([.. second, .. first]);

        using VlmSequence sequence = Model.CreateSequence(200, maxPatches: 40);
        sequence.Append(first);
        int turn = sequence.Length;
        sequence.Append(second);
        Assert.That(Largest(sequence.NextLogits(), expected), Is.LessThanOrEqualTo(1e-4), "a later turn");

        sequence.RewindTo(turn);
        sequence.Append(first);
        sequence.RewindTo(turn);
        sequence.Append(second);
        Assert.That(Largest(sequence.NextLogits(), expected), Is.LessThanOrEqualTo(1e-4), "after a rewind to the same turn");

        sequence.RewindTo(0);
        sequence.Append(second);
        sequence.Append(first);
        Assert.That(Largest(sequence.NextLogits(), other), Is.LessThanOrEqualTo(1e-4), "from the start");
        Assert.That(Largest(expected, other), Is.GreaterThan(0.1), "the comparison can fail");
    }

    [Test]
    public async Task GenerateAsync_PromptThatGoesOn_ReusesThePrefixAndSaysTheSame()
    {
        using VlmModel fresh = VlmModel.Load(Exported.ModelFolder, new VlmOptions { CacheBytes = 0 });
        GenerationOptions options = new() { MaxNewTokens = 6, Temperature = 0, TopLogprobs = 1 };
        PromptSegment[] first = [.. Exported.Case("two_images").Segments];
        List<GenerationUpdate> answer = await Model.GenerateAsync(new Prompt(first), options).ToListAsync();
        PromptSegment[] next = [.. first, new PromptSegment(answer.Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value).ToArray()), .. Exported.Case("one_image").Segments];

        List<GenerationUpdate> found = await Model.GenerateAsync(new Prompt(next), options).ToListAsync(), expected = await fresh.GenerateAsync(new Prompt(next), options).ToListAsync();

        Assert.That(found[^1].Statistics!.CachedTokens, Is.GreaterThanOrEqualTo(first.Sum(segment => segment.TokenIds.Length)));
        Assert.That(expected[^1].Statistics!.CachedTokens, Is.Zero);
        Assert.That(found.Select(update => update.TokenId), Is.EqualTo(expected.Select(update => update.TokenId)));
        foreach ((GenerationUpdate a, GenerationUpdate b) in found.Zip(expected).SkipLast(1))
            Assert.That(a.Logprob!.Logprob, Is.EqualTo(b.Logprob!.Logprob).Within(1e-4));
    }

    [Test]
    public void Append_PartOfAnImage_Refused()
    {
        PromptSegment image = Exported.Case("one_image").Segments.First(segment => segment.Image is not null);
        using VlmSequence sequence = Model.CreateSequence(100, maxPatches: 40);

        Assert.That(() => sequence.Append(image with { TokenIds = image.TokenIds[..5] }), Throws.ArgumentException.With.Message.Contains("12 patches, and there are 5 placeholder tokens"));
        Assert.That(sequence.Length, Is.Zero);
    }

    [Test]
    public void RewindTo_InsideAnImage_Refused()
    {
        PromptSegment[] segments = [.. Exported.Case("one_image").Segments];
        int start = segments.TakeWhile(segment => segment.Image is null).Sum(segment => segment.TokenIds.Length);
        using VlmSequence sequence = Model.CreateSequence(100, maxPatches: 40);
        sequence.Append(segments);

        Assert.That(() => sequence.RewindTo(start + 1), Throws.ArgumentException.With.Message.Contains($"rewind to {start} or {start + 12}"));
        sequence.RewindTo(start + 12);
        sequence.RewindTo(start);
        sequence.Append(new PromptSegment(new[] { 5, 6, 7 }));
        sequence.RewindTo(start + 1);
        Assert.That(sequence.Length, Is.EqualTo(start + 1), "there is no image any more");
    }

    [Test]
    public void Append_AfterAFailure_GoesOnFromWhatWasReadBefore()
    {
        // One column more than the table of places has rows, which only the running graph notices.
        int columns = Model.Manifest.Image.Resize.MaxColumns!.Value + 1;
        PatchGrid tooLong = new(1, columns, new byte[columns * 3 * 48 * 48]);
        ReferenceCase reference = Exported.Case("one_image");
        using VlmSequence sequence = Model.CreateSequence(100, maxPatches: columns);
        sequence.Append(new PromptSegment(new[] { 5, 6, 7 }));

        Assert.That(() => sequence.Append(ImageRun.Create(Model.Manifest.Image.Tokens, tooLong)), Throws.TypeOf<VlmException>());
        Assert.That(sequence.Length, Is.EqualTo(3));
        Assert.That(sequence.NextLogits, Throws.InvalidOperationException);
        sequence.RewindTo(0);
        sequence.Append(reference.Segments);
        Assert.That(Largest(sequence.NextLogits(), reference.Logits[^reference.VocabularySize..]), Is.LessThanOrEqualTo(1e-4));
    }

    [Test]
    public void Append_MoreThanThereIsRoomFor_RefusedAndNothingIsLost()
    {
        using VlmSequence sequence = Model.CreateSequence(10);
        sequence.Append(new PromptSegment(new[] { 5, 6, 7 }));
        float[] before = sequence.NextLogits();

        Assert.That(() => sequence.Append(new PromptSegment(Enumerable.Repeat(9, 8).ToArray())), Throws.TypeOf<VlmException>().With.Message.Contains("no room for 8 more"));
        Assert.That(sequence.Length, Is.EqualTo(3));
        Assert.That(sequence.NextLogits(), Is.EqualTo(before));
    }

    private float[] AtOnce(PromptSegment[] segments)
    {
        using VlmSequence sequence = Model.CreateSequence(200, maxPatches: 40);
        sequence.Append(segments);
        return sequence.NextLogits();
    }

    private static double Largest(float[] a, float[] b) => a.Zip(b, (x, y) => Math.Abs((double)x - y)).Max();
}
