using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace OnnxVlm.Evaluation.Benchmarking;

/// <summary>
/// Measures how fast the processor reads memory, as McCalpin's STREAM does, but only reads, as generating a token does: each thread adds up its part of an
/// array that fits no cache. The array is in huge pages where the system has them, so that memory is the limit and not the translation of addresses.
/// </summary>
internal static unsafe partial class MemoryBandwidth
{
    private const int Passes = 6;
    private const int Unroll = 4;
    private const int HugePage = 2 << 20;
    private const int MadvHugePage = 14;

    /// <summary>Measures the bandwidth.</summary>
    /// <param name="threads">Threads that read at the same time.</param>
    /// <param name="sizeBytes">Size of the array: several times the largest cache.</param>
    /// <returns>Bytes per second of the fastest pass.</returns>
    public static double Measure(int threads, long sizeBytes)
    {
        long part = Math.Max(1, sizeBytes / threads / HugePage) * HugePage;
        byte* memory = (byte*)NativeMemory.AlignedAlloc((nuint)(part * threads), HugePage);
        try
        {
            if (OperatingSystem.IsLinux())
                _ = MAdvise(memory, (nuint)(part * threads), MadvHugePage);
            List<long> passed = [];
            using Barrier barrier = new(threads, _ => passed.Add(Stopwatch.GetTimestamp()));
            Thread[] readers = [.. Enumerable.Range(0, threads).Select(i => new Thread(() => Read(memory + (part * i), part, barrier)))];
            foreach (Thread reader in readers)
                reader.Start();
            foreach (Thread reader in readers)
                reader.Join();
            return part * threads / passed.Zip(passed.Skip(1), Stopwatch.GetElapsedTime).Min().TotalSeconds;
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    private static void Read(byte* part, long length, Barrier barrier)
    {
        // Each thread touches its own part first, so that the part is near the thread where memory is not uniform.
        Fill(part, length);
        barrier.SignalAndWait();
        for (int pass = 0; pass < Passes; pass++)
        {
            _ = Sum(part, length);
            barrier.SignalAndWait();
        }
    }

    private static void Fill(byte* memory, long length)
    {
        for (long i = 0; i < length; i += sizeof(long))
            *(long*)(memory + i) = i;
    }

    // If it were inlined, the compiler could see that its sum is not used and drop most of the reading. It is optimized at once, so that no
    // pass is slower than memory.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static ulong Sum(byte* memory, long length)
    {
        Vector512<ulong> a = default, b = default, c = default, d = default;
        for (long i = 0; i < length; i += Unroll * sizeof(Vector512<ulong>))
        {
            Vector512<ulong>* at = (Vector512<ulong>*)(memory + i);
            a += at[0];
            b += at[1];
            c += at[2];
            d += at[3];
        }
        return Vector512.Sum(a + b + c + d);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MAdvise(void* start, nuint size, int advice);
}
