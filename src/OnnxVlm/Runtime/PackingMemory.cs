using System.Runtime.InteropServices;

namespace OnnxVlm.Runtime;

/// <summary>
/// Memory for the matrices that ONNX Runtime packs while it loads a model, allocated from front to back. A separate thread touches the pages ahead of
/// the packing: the kernel needs more time to provide fresh pages than the packing needs to fill them, so the two run in parallel.
/// </summary>
internal sealed unsafe class PackingMemory : IDisposable
{
    private const long TouchedAhead = 64 << 20;
    private const long Step = 4 << 20;

    private readonly AutoResetEvent _taken = new(initialState: false);
    private readonly Thread _toucher;
    private readonly byte* _start;
    private readonly long _size;
    private long _used;
    private volatile bool _loaded;

    /// <summary>Reserves address space and starts to touch its first pages.</summary>
    /// <param name="size">The most that the blocks will need together, in bytes. The unused part costs no memory on systems that provide pages when
    /// they are touched.</param>
    /// <exception cref="OutOfMemoryException">The system does not give that much.</exception>
    public PackingMemory(long size)
    {
        _size = size;
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)size, (nuint)Environment.SystemPageSize);
        _toucher = new Thread(TouchAhead) { IsBackground = true, Name = "OnnxVlm page toucher" };
        _toucher.Start();
    }

    /// <summary>The address of the first byte.</summary>
    public nint Start => (nint)_start;

    /// <summary>The address after the last byte.</summary>
    public nint End => (nint)(_start + _size);

    /// <summary>Size of the blocks so far, in bytes, each rounded up to the end of its last page.</summary>
    public long Used => Volatile.Read(ref _used);

    /// <summary>Takes the next block. Not thread-safe.</summary>
    /// <param name="size">Its size in bytes.</param>
    /// <returns>Its first byte, at the start of a page; 0 where the rest is too small.</returns>
    public nint TryTake(long size)
    {
        if (size > _size - _used)
            return 0;
        nint block = (nint)(_start + _used);
        long page = Environment.SystemPageSize;
        Volatile.Write(ref _used, Math.Min(_size, (_used + size + page - 1) / page * page));
        _taken.Set();
        return block;
    }

    /// <summary>Stops touching pages.</summary>
    public void EndLoading()
    {
        if (_loaded)
            return;
        _loaded = true;
        _taken.Set();
        _toucher.Join();
    }

    /// <summary>Frees the memory with all blocks.</summary>
    public void Dispose()
    {
        EndLoading();
        _taken.Dispose();
        NativeMemory.AlignedFree(_start);
    }

    private void TouchAhead()
    {
        for (long at = 0; at < _size && !_loaded; at += Step)
        {
            while (at >= Used + TouchedAhead && !_loaded)
                _taken.WaitOne();
            // Adding zero makes a page present and keeps what the packing may already have written there. It is one instruction: a read would first
            // map the page of zeros, and the following write would unmap it on all cores.
            for (long page = at; page < Math.Min(at + Step, _size); page += Environment.SystemPageSize)
                Interlocked.Add(ref *(int*)(_start + page), 0);
        }
    }
}
