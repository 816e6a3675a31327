using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace OnnxVlm.Runtime;

/// <summary>The memory of one buffer of the key-value cache, for all rows.</summary>
internal interface IRowMemory : IDisposable
{
    /// <summary>The first byte, on the device.</summary>
    nint Start { get; }

    /// <summary>Where it lies, in the runtime's terms.</summary>
    OrtMemoryInfo Info { get; }

    /// <summary>Whether parts have to be committed before use.</summary>
    bool NeedsCommit { get; }

    /// <summary>Makes a part usable.</summary>
    /// <param name="offset">Its first byte.</param>
    /// <param name="size">Its size in bytes.</param>
    /// <exception cref="VlmException">The system has no more memory.</exception>
    void Commit(long offset, long size);

    /// <summary>Returns the memory of a part to the system, where possible; its contents are lost.</summary>
    /// <param name="offset">Its first byte, at the start of a page.</param>
    /// <param name="size">Its size in bytes.</param>
    void Release(long offset, long size);

    /// <summary>Fills a part with zeros.</summary>
    /// <param name="offset">Its first byte.</param>
    /// <param name="size">Its size in bytes.</param>
    /// <exception cref="VlmException">The device failed.</exception>
    void Clear(long offset, long size);

    /// <summary>Copies blocks at regular distances within memory of this kind.</summary>
    /// <param name="from">The first byte to read.</param>
    /// <param name="fromStride">Bytes from one block to the next in the source.</param>
    /// <param name="to">The first byte to write.</param>
    /// <param name="toStride">Bytes from one block to the next in the destination.</param>
    /// <param name="size">Bytes of a block.</param>
    /// <param name="count">Number of blocks.</param>
    /// <exception cref="VlmException">The device failed.</exception>
    void Copy(nint from, long fromStride, nint to, long toStride, long size, int count);
}

/// <summary>
/// Address space whose pages cost memory only once they are written. Therefore every row has room for the whole context, never moves when it grows,
/// and costs only what it holds. It does not use huge pages, because a short row would need one for each of its heads.
/// </summary>
internal sealed partial class HostRowMemory : IRowMemory
{
    private const int ReadWrite = 3, Private = 2, NoHugePages = 15, DontNeed = 4, Free = 5;
    private const uint Commits = 0x1000, Reserves = 0x2000, Decommits = 0x4000, Releases = 0x8000, PageReadWrite = 4;

    private readonly long _size;

    private HostRowMemory(nint start, long size) => (Start, _size) = (start, size);

    public nint Start { get; private set; }

    public OrtMemoryInfo Info => OrtMemoryInfo.DefaultInstance;

    public bool NeedsCommit => OperatingSystem.IsWindows();

    /// <summary>Reserves address space.</summary>
    /// <param name="size">Its size in bytes.</param>
    /// <returns>The memory; null where the system does not give that much.</returns>
    public static HostRowMemory? TryReserve(long size)
    {
        nint start;
        if (OperatingSystem.IsWindows())
            start = VirtualAlloc(0, (nuint)size, Reserves, PageReadWrite);
        else
        {
            int anonymousWithoutReserve = OperatingSystem.IsLinux() ? 0x4020 : 0x1040;
            start = MMap(0, (nuint)size, ReadWrite, Private | anonymousWithoutReserve, -1, 0);
            if (start == -1)
                return null;
            if (OperatingSystem.IsLinux())
                _ = MAdvise(start, (nuint)size, NoHugePages);
        }
        return start == 0 ? null : new HostRowMemory(start, size);
    }

    public void Commit(long offset, long size)
    {
        if (OperatingSystem.IsWindows() && VirtualAlloc(Start + (nint)offset, (nuint)size, Commits, PageReadWrite) == 0)
            throw new VlmException("The system has no memory left for the key-value cache; lower CacheBytes.");
    }

    public void Release(long offset, long size)
    {
        if (OperatingSystem.IsWindows())
            VirtualFree(Start + (nint)offset, (nuint)size, Decommits);
        else
            _ = MAdvise(Start + (nint)offset, (nuint)size, OperatingSystem.IsLinux() ? DontNeed : Free);
    }

    public unsafe void Clear(long offset, long size) => NativeMemory.Clear((byte*)Start + offset, (nuint)size);

    public unsafe void Copy(nint from, long fromStride, nint to, long toStride, long size, int count)
    {
        for (int i = 0; i < count; i++)
            Buffer.MemoryCopy((byte*)from + (i * fromStride), (byte*)to + (i * toStride), size, size);
    }

    public void Dispose()
    {
        if (Start == 0)
            return;
        if (OperatingSystem.IsWindows())
            VirtualFree(Start, 0, Releases);
        else
            _ = MUnmap(Start, (nuint)_size);
        Start = 0;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint MMap(nint address, nuint size, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MUnmap(nint address, nuint size);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MAdvise(nint address, nuint size, int advice);

    [LibraryImport("kernel32")]
    private static partial nint VirtualAlloc(nint address, nuint size, uint type, uint protection);

    [LibraryImport("kernel32")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualFree(nint address, nuint size, uint type);
}
