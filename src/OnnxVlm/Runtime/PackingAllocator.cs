using System.Collections.Immutable;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace OnnxVlm.Runtime;

/// <summary>
/// The allocator of one model's session on the CPU: ONNX Runtime's own arena, except that the matrices which are packed while the model is loaded go into a <see cref="PackingMemory"/>.
/// The session takes it when its configuration has <see cref="SessionEntry"/> and it is created under <see cref="Register"/>. To be disposed after the session.
/// Source: <c>OrtAllocator</c> and <c>OrtApi</c> in onnxruntime_c_api.h.
/// </summary>
internal sealed unsafe partial class PackingAllocator : IDisposable
{
    /// <summary>The entry that makes a session use the allocator of the environment, set to "1".</summary>
    public const string SessionEntry = "session.use_env_allocators";

    // Places in the table of functions, and the version that has them; later versions keep them.
    private const uint ApiVersion = 18;
    private const int ReleaseStatus = 93;
    private const int RegisterAllocator = 176;

    private static readonly Lock Registration = new();
    private static readonly OrtMemoryInfo Cpu = new(OrtMemoryInfo.allocatorCPU, OrtAllocatorType.DeviceAllocator, 0, OrtMemType.Default);
    private static ImmutableArray<PackingAllocator> _allocators = [];

    private readonly OrtAllocator _arena;
    private readonly Native* _native;
    private readonly delegate* unmanaged<Native*, void*, void> _free;
    private readonly delegate* unmanaged<Native*, nuint, void*> _reserve;
    private readonly PackingMemory _packed;

    private PackingAllocator(OrtAllocator arena, PackingMemory packed)
    {
        _arena = arena;
        _packed = packed;
        _native = (Native*)arena.DangerousGetHandle();
        _free = _native->Free;
        _reserve = _native->Reserve;
        _native->Free = &Free;
        _native->Info = &Info;
        ImmutableInterlocked.Update(ref _allocators, (all, one) => all.Add(one), this);
    }

    /// <summary>The packed matrices, in bytes.</summary>
    public long PackedBytes => _packed.Used;

    /// <summary>Creates the allocator for a model.</summary>
    /// <param name="weightBytes">The size of the model's weights as they are stored.</param>
    /// <returns>The allocator; null where there is not enough address space.</returns>
    /// <exception cref="OnnxRuntimeException">The runtime gives no arena.</exception>
    public static PackingAllocator? TryCreate(long weightBytes)
    {
        using SessionOptions options = new() { IntraOpNumThreads = 1, InterOpNumThreads = 1 };
        using InferenceSession session = new(OneNodeModel.Identity(), options);
        OrtAllocator arena = new(session, Cpu);
        try
        {
            // Packed, blocks of 32 four-bit weights and a scale, 20 bytes, have a sum of 4 bytes besides.
            return new PackingAllocator(arena, new PackingMemory(weightBytes + (weightBytes / 5)));
        }
        catch (OutOfMemoryException)
        {
            arena.Dispose();
            return null; // the runtime still loads the model, matrix by matrix
        }
    }

    /// <summary>
    /// Makes this the environment's allocator until the result is disposed, on the same thread; other models wait with theirs. GenAI must have read a configuration before, because it registers an
    /// allocator of its own then.
    /// </summary>
    /// <exception cref="ModelLoadException">The runtime does not take it.</exception>
    public IDisposable Register()
    {
        Registration.Enter();
        try
        {
            OrtEnv environment = OrtEnv.Instance();
            environment.UnregisterAllocator(Cpu);
            nint* functions = OrtGetApiBase()->GetApi(ApiVersion);
            nint error = ((delegate* unmanaged<nint, Native*, nint>)functions[RegisterAllocator])(environment.DangerousGetHandle(), _native);
            if (error != 0)
            {
                ((delegate* unmanaged<nint, void>)functions[ReleaseStatus])(error);
                throw new ModelLoadException("The runtime does not take an allocator.");
            }
            _native->Reserve = &Reserve;
            return new Loading(this);
        }
        catch
        {
            Registration.Exit();
            throw;
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        if (!_allocators.Contains(this))
            return;
        ImmutableInterlocked.Update(ref _allocators, (all, one) => all.Remove(one), this);
        _arena.Dispose();
        _packed.Dispose();
    }

    // The callbacks run on threads of the runtime, and may not throw.

    [UnmanagedCallersOnly]
    private static nint Info(Native* self) => Cpu.DangerousGetHandle();

    [UnmanagedCallersOnly]
    private static void* Reserve(Native* self, nuint size)
    {
        PackingAllocator allocator = Find(self);
        nint block = allocator._packed.TryTake((long)size);
        return block == 0 ? allocator._reserve(self, size) : (void*)block;
    }

    [UnmanagedCallersOnly]
    private static void Free(Native* self, void* block)
    {
        PackingAllocator allocator = Find(self);
        if (!allocator._packed.Contains((nint)block))
            allocator._free(self, block);
    }

    private static PackingAllocator Find(Native* native)
    {
        foreach (PackingAllocator allocator in _allocators)
        {
            if (allocator._native == native)
                return allocator;
        }
        throw new UnreachableException();
    }

    [LibraryImport("onnxruntime")]
    private static partial ApiBase* OrtGetApiBase();

    [StructLayout(LayoutKind.Sequential)]
    private struct ApiBase
    {
        public delegate* unmanaged<uint, nint*> GetApi;
    }

    /// <summary>The beginning of OrtAllocator.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Native
    {
        public uint Version;
        public delegate* unmanaged<Native*, nuint, void*> Alloc;
        public delegate* unmanaged<Native*, void*, void> Free;
        public delegate* unmanaged<Native*, nint> Info;
        public delegate* unmanaged<Native*, nuint, void*> Reserve;
    }

    private sealed class Loading(PackingAllocator allocator) : IDisposable
    {
        public void Dispose()
        {
            // From here on only native code allocates: its exceptions must not pass through managed frames.
            allocator._native->Reserve = allocator._reserve;
            allocator._packed.EndLoading();
            try
            {
                OrtEnv environment = OrtEnv.Instance();
                environment.UnregisterAllocator(Cpu);
                using OrtArenaCfg defaults = new(0, -1, -1, -1);
                environment.CreateAndRegisterAllocator(Cpu, defaults); // as GenAI had it
            }
            finally
            {
                Registration.Exit();
            }
        }
    }
}
