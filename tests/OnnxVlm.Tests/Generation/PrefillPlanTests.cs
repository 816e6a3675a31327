using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Generation;

internal sealed class PrefillPlanTests
{
    [Test]
    public void Create_RandomPrompts_KeepsOrderAndNeverSplitsAnImage()
    {
        Random random = new(5);
        ScriptedDecoder decoder = new(300, _ => []) { MaxPatchesPerImage = 10, ChunkTokens = 16 };
        for (int round = 0; round < 500; round++)
        {
            PromptSegment[] segments = [.. Enumerable.Range(0, 1 + random.Next(6)).Select(_ => random.Next(2) == 0 ? Text(1 + random.Next(40)) : Image(1 + random.Next(5), 1 + random.Next(5)))];

            IReadOnlyList<PrefillChunk> chunks = PrefillPlan.Create(decoder, segments);

            Assert.That(chunks.SelectMany(chunk => chunk.TokenIds.ToArray()), Is.EqualTo(segments.SelectMany(segment => segment.TokenIds.ToArray())));
            Assert.That(chunks.SelectMany(chunk => chunk.Images.Select(image => image.Image)), Is.EqualTo(segments.Where(segment => segment.Image is not null).Select(segment => segment.Image)));
            foreach (PrefillChunk chunk in chunks)
            {
                Assert.That(chunk.TokenIds.ToArray().Count(id => id == TestVocabulary.ImageId), Is.EqualTo(chunk.PatchCount));
                Assert.That(chunk.TokenIds.Length <= 16 || chunk.Images.Count == 1, Is.True);
                Assert.That(chunk.PatchCount <= 10 || chunk.Images.Count == 1, Is.True);
            }
        }
    }

    [Test]
    public void Create_DecoderThatReadsImagesAsText_CutsEverythingAndLeavesOutTheBeginning()
    {
        Random random = new(6);
        ScriptedDecoder decoder = new(300, _ => []) { SplitsImages = true, ChunkTokens = 7 };
        for (int round = 0; round < 500; round++)
        {
            PromptSegment[] segments = [.. Enumerable.Range(0, 1 + random.Next(6)).Select(i => random.Next(2) == 0 ? Text(1 + random.Next(20)) : Image(1 + random.Next(5), 1 + random.Next(5), (byte)i))];
            int[] tokens = [.. segments.SelectMany(segment => segment.TokenIds.ToArray())];
            byte[] patches = [.. segments.Where(segment => segment.Image is not null).SelectMany(segment => segment.Image!.Patches.ToArray())];
            int start = random.Next(tokens.Length), skipped = tokens[..start].Count(id => id == TestVocabulary.ImageId);

            IReadOnlyList<PrefillChunk> chunks = PrefillPlan.Create(decoder, segments, start);

            Assert.That(chunks.SelectMany(chunk => chunk.TokenIds.ToArray()), Is.EqualTo(tokens[start..]));
            Assert.That(chunks.SelectMany(chunk => chunk.Images).SelectMany(image => image.Patches.ToArray()), Is.EqualTo(patches[(3 * skipped)..]));
            Assert.That(chunks.SkipLast(1).Select(chunk => chunk.TokenIds.Length), Is.All.EqualTo(7));
            Assert.That(chunks.Select(chunk => chunk.PatchCount), Is.EqualTo(chunks.Select(chunk => chunk.TokenIds.ToArray().Count(id => id == TestVocabulary.ImageId))));
        }
    }

    [TestCase(true)]
    [TestCase(false)]
    public void Create_ImageWithoutAllItsPlaceholders_Throws(bool splits)
    {
        ScriptedDecoder decoder = new(300, _ => []) { SplitsImages = splits };
        PromptSegment image = Image(2, 2);

        Assert.That(() => PrefillPlan.Create(decoder, [image with { TokenIds = image.TokenIds[1..] }]), Throws.ArgumentException.With.Message.Contains("4 patches"));
    }

    private static PromptSegment Text(int length) => new(Enumerable.Repeat(1, length).ToArray());

    private static PromptSegment Image(int rows, int columns, byte value = 0) => new(Enumerable.Repeat(TestVocabulary.ImageId, rows * columns).ToArray(), new PatchGrid(rows, columns, Enumerable.Range(0, rows * columns * 3).Select(i => (byte)((value * 31) + i)).ToArray()));
}
