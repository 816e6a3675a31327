using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace OnnxVlm.Runtime;

/// <summary>
/// Rows in the memory of an NVIDIA GPU. A GPU allocates memory on request and not on the first write, so not every row can have room for the whole
/// context: there are several lanes with rows of different length, and a row that outgrows its lane moves to a longer one. Source of the functions:
/// CUDA Runtime API, "Memory Management".
/// </summary>
internal sealed unsafe class DeviceRowMemory : IRowMemory
{
    private const int ShortestLane = 1024, LaneFactor = 4, MostSlots = 65;
    private const int DeviceToDevice = 3;

    // One for each row, in models with recurrent layers.
    private const int SavedStates = 2;

    private static readonly Lazy<(nint MemcpyRows, nint Synchronize, nint MemoryInfo, nint Fill)> Functions = new(FindFunctions);

    private readonly OrtMemoryAllocation _memory;

    private DeviceRowMemory(OrtAllocator allocator, long size)
    {
        _memory = allocator.Allocate(checked((uint)size));
        Info = allocator.Info;
    }

    public nint Start => _memory.DangerousGetHandle();

    public OrtMemoryInfo Info { get; }

    public bool NeedsCommit => false;

    /// <summary>
    /// Allocates memory for rows: lanes of 1,024 tokens, of four times as many and so on up to the context, each with an equal share of the memory.
    /// </summary>
    /// <param name="session">The session on the GPU, whose allocator provides the memory.</param>
    /// <param name="buffers">The state of a row.</param>
    /// <param name="contextLength">Tokens of the longest row.</param>
    /// <param name="cacheBytes">The most memory for rows; less is used if the GPU has less free.</param>
    /// <returns>The lanes, those with the shortest rows first.</returns>
    /// <exception cref="ModelLoadException">There is no room for two rows of the longest lane.</exception>
    public static IReadOnlyList<KeyValueRows> CreateLanes(InferenceSession session, IReadOnlyList<StateBuffer> buffers, int contextLength, long cacheBytes)
    {
        using OrtMemoryInfo device = new(OrtMemoryInfo.allocatorCUDA, OrtAllocatorType.DeviceAllocator, 0, OrtMemType.Default);
        using OrtAllocator allocator = new(session, device);
        List<int> capacities = [];
        for (long capacity = ShortestLane; capacity < contextLength; capacity *= LaneFactor)
            capacities.Add((int)capacity);
        capacities.Add(contextLength);

        // A tenth stays free for the runs themselves.
        long tokenBytes = buffers.Sum(buffer => buffer.TokenBytes), share = Math.Min(cacheBytes, FreeBytes() / 10 * 9) / capacities.Count;
        List<KeyValueRows> lanes = [];
        foreach (int capacity in capacities)
        {
            // The longest lane takes what it needs, even if that is more than its share; otherwise the context could not be used.
            long slots = Math.Min(MostSlots, share / ((capacity * tokenBytes) + ((1 + SavedStates) * buffers.Sum(buffer => buffer.RowBytes))));
            long most = uint.MaxValue / (capacity * buffers.Max(buffer => buffer.TokenBytes));
            slots = Math.Min(most, capacity == contextLength ? Math.Max(2, slots) : slots);
            if (slots >= 2)
            {
                int saved = (int)slots * SavedStates;
                IRowMemory[] memory =
                [
                    .. buffers.Select(buffer => new DeviceRowMemory(
                        allocator, buffer.IsConstant ? (slots + saved) * buffer.RowBytes : slots * capacity * buffer.TokenBytes)),
                ];
                lanes.Add(new KeyValueRows(buffers, memory, (int)slots, saved, capacity));
            }
        }
        if (lanes.Count == 0 || lanes[^1].Capacity < contextLength)
            throw new ModelLoadException($"The GPU has no room for the key-value cache of two sequences of {contextLength} tokens.");
        return lanes;
    }

    public void Commit(long offset, long size)
    {
    }

    public void Release(long offset, long size)
    {
    }

    public void Clear(long offset, long size)
    {
        int error = ((delegate* unmanaged<nint, int, nuint, int>)Functions.Value.Fill)(Start + (nint)offset, 0, (nuint)size);
        if (error == 0)
            error = ((delegate* unmanaged<int>)Functions.Value.Synchronize)();
        if (error != 0)
            throw new VlmException($"The GPU could not clear the state of a sequence: CUDA error {error}.");
    }

    public void Copy(nint from, long fromStride, nint to, long toStride, long size, int count)
    {
        delegate* unmanaged<nint, nuint, nint, nuint, nuint, nuint, int, int> copy =
            (delegate* unmanaged<nint, nuint, nint, nuint, nuint, nuint, int, int>)Functions.Value.MemcpyRows;
        int error = copy(to, (nuint)toStride, from, (nuint)fromStride, (nuint)size, (nuint)count, DeviceToDevice);
        // The copy runs asynchronously to the host, and the session does not wait for it.
        if (error == 0)
            error = ((delegate* unmanaged<int>)Functions.Value.Synchronize)();
        if (error != 0)
            throw new VlmException($"The GPU could not copy a part of the key-value cache: CUDA error {error}.");
    }

    public void Dispose() => _memory.Dispose();

    private static long FreeBytes()
    {
        nuint free = 0, total = 0;
        int error = ((delegate* unmanaged<nuint*, nuint*, int>)Functions.Value.MemoryInfo)(&free, &total);
        return error == 0 ? (long)free : throw new ModelLoadException($"The GPU does not tell how much memory is free: CUDA error {error}.");
    }

    private static (nint MemcpyRows, nint Synchronize, nint MemoryInfo, nint Fill) FindFunctions()
    {
        string[] names = OperatingSystem.IsWindows() ? ["cudart64_13.dll", "cudart64_12.dll"] : ["libcudart.so.13", "libcudart.so.12"];
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, typeof(DeviceRowMemory).Assembly, null, out nint library))
                return (NativeLibrary.GetExport(library, "cudaMemcpy2D"), NativeLibrary.GetExport(library, "cudaDeviceSynchronize"),
                    NativeLibrary.GetExport(library, "cudaMemGetInfo"), NativeLibrary.GetExport(library, "cudaMemset"));
        }
        throw new ModelLoadException($"The library {string.Join(" or ", names)} was not found or could not be loaded.");
    }
}
