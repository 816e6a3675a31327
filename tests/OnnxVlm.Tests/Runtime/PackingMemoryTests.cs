using System.Runtime.InteropServices;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Runtime;

internal sealed class PackingMemoryTests
{
    private const int Megabyte = 1 << 20;

    [Test]
    public void TryTake_BlockAfterBlock_StartsAtPagesWithoutOverlap()
    {
        long page = Environment.SystemPageSize;
        using PackingMemory memory = new(16 * page);

        long first = memory.TryTake(1);
        long second = memory.TryTake(page + 1);
        long third = memory.TryTake(page);

        Assert.That(first, Is.EqualTo((long)memory.Start));
        Assert.That(first % page, Is.Zero);
        Assert.That(second - first, Is.EqualTo(page));
        Assert.That(third - second, Is.EqualTo(2 * page));
        Assert.That(memory.Used, Is.EqualTo(4 * page));
    }

    [Test]
    public void TryTake_MoreThanTheRest_ReturnsNullAndKeepsTheRest()
    {
        long page = Environment.SystemPageSize;
        using PackingMemory memory = new((2 * page) + 5);
        memory.TryTake(page);

        Assert.That(memory.TryTake(page + 6), Is.EqualTo(nint.Zero));
        Assert.That(memory.TryTake(long.MaxValue), Is.EqualTo(nint.Zero));
        Assert.That(memory.TryTake(page + 5), Is.Not.EqualTo(nint.Zero));
        Assert.That(memory.TryTake(1), Is.EqualTo(nint.Zero));
    }

    [Test]
    public void TryTake_BlocksWrittenWhilePagesAreTouched_KeepTheirBytes()
    {
        // Several times what is touched ahead, so that writer and toucher overtake each other.
        using PackingMemory memory = new(256 * Megabyte);
        List<nint> blocks = [];
        for (int i = 0; i < 256; i++)
        {
            blocks.Add(memory.TryTake(Megabyte));
            Marshal.Copy(Filled(i), 0, blocks[i], Megabyte);
        }
        memory.EndLoading();

        byte[] read = new byte[Megabyte];
        for (int i = 0; i < 256; i++)
        {
            Marshal.Copy(blocks[i], read, 0, Megabyte);
            Assert.That(read.AsSpan().SequenceEqual(Filled(i)), $"block {i}");
        }

        static byte[] Filled(int i)
        {
            byte[] bytes = new byte[Megabyte];
            Array.Fill(bytes, (byte)(i + 1));
            return bytes;
        }
    }

    [Test]
    public void Dispose_NothingTaken_EndsTheTouching()
    {
        for (int i = 0; i < 20; i++)
            Assert.That(new PackingMemory(512L * Megabyte).Dispose, Throws.Nothing);
    }
}
