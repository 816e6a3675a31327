using OnnxVlm.Imaging;

namespace OnnxVlm.Tests.Imaging;

[NonParallelizable]
public sealed class PixelBuffersTests
{
    private const int SizeBytes = 300_000_000;

    [Test]
    public void Take_AfterGiveBack_IsTheSameBufferForSimilarSizesOnly()
    {
        byte[] buffer = PixelBuffers.Take(SizeBytes);
        PixelBuffers.GiveBack(buffer);
        byte[] larger = PixelBuffers.Take(SizeBytes + 1), muchSmaller = PixelBuffers.Take((SizeBytes / 2) - 1), smaller = PixelBuffers.Take(SizeBytes - 1);

        Assert.That(larger, Is.Not.SameAs(buffer).And.Length.EqualTo(SizeBytes + 1));
        Assert.That(muchSmaller, Is.Not.SameAs(buffer));
        Assert.That(smaller, Is.SameAs(buffer));
        GC.KeepAlive(buffer);
    }

    [Test]
    public void Take_BufferInUse_IsAnotherOne()
    {
        byte[] first = PixelBuffers.Take(SizeBytes), second = PixelBuffers.Take(SizeBytes);
        Assert.That(second, Is.Not.SameAs(first));
    }
}
