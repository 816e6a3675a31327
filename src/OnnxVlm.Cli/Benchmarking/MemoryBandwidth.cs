using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace OnnxVlm.Cli.Benchmarking;

/// <summary>
/// How fast the processor reads memory, measured as McCalpin's STREAM measures it, but reading only, which is what generating a token does: each thread adds up its part of an array
/// that no cache holds.
/// </summary>
internal static unsafe class MemoryBandwidth
{
    private const int Passes = 6;
    private const int Unroll = 4;

    /// <summary>Measures the bandwidth.</summary>
    /// <param name="threads">Threads that read at the same time.</param>
    /// <param name="sizeBytes">Size of the array: several times the largest cache.</param>
    /// <returns>Bytes a second of the fastest pass.</returns>
    public static double Measure(int threads, long sizeBytes)
    {
        long part = sizeBytes / threads / 4096 * 4096;
        byte* memory = (byte*)NativeMemory.AlignedAlloc((nuint)(part * threads), 4096);
        try
        {
            // Each thread touches its own part first, so that it lies near the thread where memory is not uniform.
            RunOnThreads(threads, thread => Fill(memory + (part * thread), part));
            double best = 0;
            for (int pass = 0; pass < Passes; pass++)
            {
                long start = Stopwatch.GetTimestamp();
                RunOnThreads(threads, thread => GC.KeepAlive(Sum(memory + (part * thread), part)));
                best = Math.Max(best, part * threads / Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
            return best;
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    private static void RunOnThreads(int count, Action<int> work)
    {
        Thread[] threads = [.. Enumerable.Range(0, count).Select(i => new Thread(() => work(i)))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
    }

    private static void Fill(byte* memory, long length)
    {
        for (long i = 0; i < length; i += sizeof(long))
            *(long*)(memory + i) = i;
    }

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
}
