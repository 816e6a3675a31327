namespace OnnxVlm.Runtime;

/// <summary>Counts the live owners of native memory, so that a test can show that none is left.</summary>
internal static class NativeOwner
{
    private static int _count;

    /// <summary>Models, tokenizers, sequences and sessions that are not disposed yet.</summary>
    public static int Count => Volatile.Read(ref _count);

    public static void Created() => Interlocked.Increment(ref _count);

    public static void Disposed() => Interlocked.Decrement(ref _count);
}
