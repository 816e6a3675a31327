using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Generation;

internal sealed class PrefillPlanTests
{
    [Test]
    public void Create_RandomPrompts_KeepsOrderAndNeverSplitsAnImage()
    {
        Random random = new(5);
        for (int round = 0; round < 500; round++)
        {
            PromptSegment[] segments = [.. Enumerable.Range(0, 1 + random.Next(6)).Select(_ => random.Next(2) == 0 ? Text(1 + random.Next(40)) : Image(1 + random.Next(5), 1 + random.Next(5)))];

            IReadOnlyList<PrefillChunk> chunks = PrefillPlan.Create(segments, chunkTokens: 16, maxPatches: 10);

            Assert.That(chunks.SelectMany(chunk => chunk.TokenIds.ToArray()), Is.EqualTo(segments.SelectMany(segment => segment.TokenIds.ToArray())));
            Assert.That(chunks.SelectMany(chunk => chunk.Images), Is.EqualTo(segments.Where(segment => segment.Image is not null).Select(segment => segment.Image)));
            foreach (PrefillChunk chunk in chunks)
            {
                Assert.That(chunk.TokenIds.ToArray().Count(id => id == 9), Is.EqualTo(chunk.PatchCount));
                Assert.That(chunk.TokenIds.Length <= 16 || chunk.Images.Count == 1, Is.True);
                Assert.That(chunk.PatchCount <= 10 || chunk.Images.Count == 1, Is.True);
            }
        }
    }

    private static PromptSegment Text(int length) => new(Enumerable.Repeat(1, length).ToArray());

    private static PromptSegment Image(int rows, int columns) => new(Enumerable.Repeat(9, rows * columns).ToArray(), new PatchGrid(rows, columns, new byte[rows * columns * 3]));
}
