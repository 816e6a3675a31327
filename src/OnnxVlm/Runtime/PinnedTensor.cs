using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace OnnxVlm.Runtime;

/// <summary>
/// A graph input over a managed array that the garbage collector does not move: the next run reads what is written to <see cref="Data"/>.
/// </summary>
/// <typeparam name="T">The element type, of the same size as the graph's element type.</typeparam>
internal sealed class PinnedTensor<T> : IDisposable
    where T : unmanaged
{
    private GCHandle _pin;

    /// <summary>Allocates and pins the array.</summary>
    /// <param name="elementType">The element type in the graph.</param>
    /// <param name="shape">The dimensions.</param>
    public PinnedTensor(ElementType elementType, params long[] shape)
    {
        Data = new T[checked((int)Tensor.ElementsFromShape(shape))];
        _pin = GCHandle.Alloc(Data, GCHandleType.Pinned);
        Tensor = new Tensor(_pin.AddrOfPinnedObject(), shape, elementType);
    }

    /// <summary>The elements in row-major order.</summary>
    public T[] Data { get; }

    /// <summary>The same memory as the runtime's tensor.</summary>
    public Tensor Tensor { get; }

    public void Dispose()
    {
        if (!_pin.IsAllocated)
            return;
        Tensor.Dispose();
        _pin.Free();
    }
}
