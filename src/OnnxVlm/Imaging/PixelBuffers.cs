namespace OnnxVlm.Imaging;

/// <summary>
/// Buffers for decoded pixels that are used again: without this, the buffers of several large images are garbage at the same time, since the collector
/// runs later than the next image comes. A buffer that nobody uses can still be collected. Thread-safe.
/// </summary>
internal static class PixelBuffers
{
    private const int MaxKept = 4;
    private const int MinKeptBytes = 1 << 20;

    private static readonly Lock Gate = new();
    private static readonly List<WeakReference<byte[]>> Unused = [];

    /// <summary>Takes a buffer, whose content is undefined.</summary>
    /// <param name="sizeBytes">The length that is needed; the buffer may be up to twice as long.</param>
    public static byte[] Take(int sizeBytes)
    {
        lock (Gate)
        {
            for (int i = Unused.Count - 1; i >= 0; i--)
            {
                bool isAlive = Unused[i].TryGetTarget(out byte[]? buffer);
                bool fits = isAlive && buffer!.Length >= sizeBytes && buffer.Length / 2 <= sizeBytes;
                if (!isAlive || fits)
                    Unused.RemoveAt(i);
                if (fits)
                    return buffer!;
            }
        }

        return GC.AllocateUninitializedArray<byte>(sizeBytes);
    }

    /// <summary>Gives a buffer back; it must not be used afterwards.</summary>
    /// <param name="buffer">A buffer of <see cref="Take"/>.</param>
    public static void GiveBack(byte[] buffer)
    {
        if (buffer.Length < MinKeptBytes)
            return;
        lock (Gate)
        {
            if (Unused.Count == MaxKept)
                Unused.RemoveAt(0);
            Unused.Add(new WeakReference<byte[]>(buffer));
        }
    }
}
