// Compiled into each library for .NET 8: what the library's code uses of later versions of .NET, under the same names.

using System.Diagnostics.CodeAnalysis;
using System.Runtime.Intrinsics.X86;

namespace System.Threading
{
    /// <summary>A lock of .NET 9; here the monitor of an object.</summary>
    [SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "It owns none.")]
    internal sealed class Lock
    {
        private readonly object _monitor = new();

        public void Enter() => Monitor.Enter(_monitor);

        public bool TryEnter() => Monitor.TryEnter(_monitor);

        public void Exit() => Monitor.Exit(_monitor);

        public Scope EnterScope()
        {
            Enter();
            return new Scope(this);
        }

        /// <summary>What the <c>lock</c> statement leaves at its end.</summary>
        public readonly ref struct Scope(Lock entered)
        {
            public void Dispose() => entered.Exit();
        }
    }
}

namespace System
{
    internal static class ConvertPolyfills
    {
        extension(Convert)
        {
            public static string ToHexStringLower(byte[] bytes) => Convert.ToHexString(bytes).ToLowerInvariant();

            public static string ToHexStringLower(ReadOnlySpan<byte> bytes) => Convert.ToHexString(bytes).ToLowerInvariant();
        }
    }
}

namespace System.Linq
{
    internal static class EnumerablePolyfills
    {
        public static IEnumerable<(int Index, TSource Item)> Index<TSource>(this IEnumerable<TSource> source) => source.Select((item, index) => (index, item));
    }
}

namespace System.Runtime.Intrinsics
{
    internal static class VectorPolyfills
    {
        extension(Vector256)
        {
            public static Vector256<float> Round(Vector256<float> vector) => Avx.IsSupported
                ? Avx.RoundToNearestInteger(vector)
                : Vector256.Create(
                    MathF.Round(vector[0]), MathF.Round(vector[1]), MathF.Round(vector[2]), MathF.Round(vector[3]),
                    MathF.Round(vector[4]), MathF.Round(vector[5]), MathF.Round(vector[6]), MathF.Round(vector[7]));
        }
    }
}
