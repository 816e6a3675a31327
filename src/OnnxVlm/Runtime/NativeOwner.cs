using System.Diagnostics.Metrics;

namespace OnnxVlm.Runtime;

/// <summary>
/// Counts the live owners of native memory, so that a test can prove that none is left, and an operator can see it: <c>onnxvlm.native.owners</c> of
/// the meter <c>OnnxVlm</c>.
/// </summary>
internal static class NativeOwner
{
    private static int _count;

    /// <summary>The meter of the library.</summary>
    public static Meter Meter { get; } = CreateMeter();

    /// <summary>Models, tokenizers, sequences and sessions that are not disposed yet.</summary>
    public static int Count => Volatile.Read(ref _count);

    public static void Created() => Interlocked.Increment(ref _count);

    public static void Disposed() => Interlocked.Decrement(ref _count);

    private static Meter CreateMeter()
    {
        Meter meter = new("OnnxVlm");
        meter.CreateObservableUpDownCounter("onnxvlm.native.owners", () => Count, "{owner}", "Models, tokenizers, sequences and sessions in native memory.");
        return meter;
    }
}
