using System.Collections.Immutable;
using System.Diagnostics;
using System.Runtime.ConstrainedExecution;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace OnnxVlm.Runtime;

/// <summary>
/// The allocator of one model's session on the CPU. It is ONNX Runtime's own arena, except that the matrices which are packed while the model loads
/// go into a <see cref="PackingMemory"/>. A session uses it if its configuration has <see cref="SessionEntry"/> and it is created under
/// <see cref="Register"/>. Dispose it after the session; while the session is alive, the memory stays, and the finalizer frees it later. Source:
/// <c>OrtAllocator</c> and <c>OrtApi</c> in onnxruntime_c_api.h.
/// </summary>
internal sealed unsafe partial class PackingAllocator : CriticalFinalizerObject, IDisposable
{
    /// <summary>The entry that makes a session use the allocator of the environment, set to "1".</summary>
    public const string SessionEntry = "session.use_env_allocators";

    // Positions in the table of functions, and the version that has them; later versions keep them.
    private const uint ApiVersion = 18;
    private const int ReleaseStatus = 93;
    private const int RegisterAllocator = 176;

    private static readonly Lock Registration = new();
    private static readonly OrtMemoryInfo Cpu = new(OrtMemoryInfo.allocatorCPU, OrtAllocatorType.DeviceAllocator, 0, OrtMemType.Default);
    private static ImmutableArray<nint> _states = [];
    private static PackingMemory? _loading; // under Registration

    private readonly PackingMemory _packed;
    private State* _state;
    private bool _replacesAnother;

    private PackingAllocator(OrtAllocator arena, PackingMemory packed)
    {
        _packed = packed;
        Native* native = (Native*)arena.DangerousGetHandle();
        _state = (State*)NativeMemory.AllocZeroed((nuint)sizeof(State));
        *_state = new State
        {
            Arena = GCHandle.Alloc(arena),
            Native = native,
            Free = native->Free,
            Reserve = native->Reserve,
            Start = packed.Start,
            End = packed.End,
        };
        native->Free = &Free;
        native->Info = &Info;
        ImmutableInterlocked.Update(ref _states, (all, one) => all.Add(one), (nint)_state);
    }

    // Critical, so that it runs after the finalizer of a session that nobody has disposed either.
    ~PackingAllocator()
    {
        if (IsInUse)
            GC.ReRegisterForFinalize(this);
        else
            Release();
    }

    /// <summary>Allocators that are not freed yet.</summary>
    public static int Count => _states.Length;

    /// <summary>The packed matrices, in bytes.</summary>
    public long PackedBytes => _packed.Used;

    private bool IsInUse => _state is not null && Volatile.Read(ref _state->Blocks) > 0;

    /// <summary>Creates the allocator for a model.</summary>
    /// <param name="weightBytes">The size of the model's stored weights.</param>
    /// <returns>The allocator; null where there is not enough address space.</returns>
    /// <exception cref="OnnxRuntimeException">The runtime gives no arena.</exception>
    public static PackingAllocator? TryCreate(long weightBytes)
    {
        using SessionOptions options = new() { IntraOpNumThreads = 1, InterOpNumThreads = 1 };
        using InferenceSession session = new(OneNodeModel.Identity(), options);
        OrtAllocator arena = new(session, Cpu);
        try
        {
            // When packed, a block of 32 four-bit weights and a scale, 20 bytes, also has a sum of 4 bytes.
            return new PackingAllocator(arena, new PackingMemory(weightBytes + (weightBytes / 5)));
        }
        catch (OutOfMemoryException)
        {
            arena.Dispose();
            return null; // the runtime still loads the model, matrix by matrix
        }
    }

    /// <summary>
    /// Makes this the environment's allocator until the result is disposed on the same thread; other models wait with theirs. If GenAI runs the
    /// model, it must have read a configuration before, because that is when it registers an allocator of its own.
    /// </summary>
    /// <exception cref="ModelLoadException">The runtime does not take it.</exception>
    public IDisposable Register()
    {
        Registration.Enter();
        try
        {
            OrtEnv environment = OrtEnv.Instance();
            _replacesAnother = TryUnregister(environment);
            nint* functions = OrtGetApiBase()->GetApi(ApiVersion);
            nint error = ((delegate* unmanaged<nint, Native*, nint>)functions[RegisterAllocator])(environment.DangerousGetHandle(), _state->Native);
            if (error != 0)
            {
                ((delegate* unmanaged<nint, void>)functions[ReleaseStatus])(error);
                throw new ModelLoadException("The runtime does not take an allocator.");
            }
            _loading = _packed;
            _state->Native->Reserve = &Reserve;
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
        if (IsInUse)
            return;
        Release();
        GC.SuppressFinalize(this);
    }

    // The environment has one only if GenAI is in use too, and nothing tells whether it has.
    private static bool TryUnregister(OrtEnv environment)
    {
        try
        {
            environment.UnregisterAllocator(Cpu);
            return true;
        }
        catch (OnnxRuntimeException)
        {
            return false;
        }
    }

    private void Release()
    {
        if (_state is null)
            return;
        ImmutableInterlocked.Update(ref _states, (all, one) => all.Remove(one), (nint)_state);
        ((OrtAllocator)_state->Arena.Target!).Dispose();
        _state->Arena.Free();
        _packed.Dispose();
        NativeMemory.Free(_state);
        _state = null;
    }

    // The callbacks run on threads of the runtime and must not throw.

    [UnmanagedCallersOnly]
    private static nint Info(Native* self) => Cpu.DangerousGetHandle();

    [UnmanagedCallersOnly]
    private static void* Reserve(Native* self, nuint size)
    {
        State* state = Find(self);
        nint block = _loading!.TryTake((long)size);
        if (block == 0)
            return state->Reserve(self, size);
        Interlocked.Increment(ref state->Blocks);
        return (void*)block;
    }

    [UnmanagedCallersOnly]
    private static void Free(Native* self, void* block)
    {
        State* state = Find(self);
        if ((nint)block >= state->Start && (nint)block < state->End)
            Interlocked.Decrement(ref state->Blocks);
        else
            state->Free(self, block);
    }

    private static State* Find(Native* native)
    {
        foreach (nint state in _states)
        {
            if (((State*)state)->Native == native)
                return (State*)state;
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

    /// <summary>The data of the callbacks, outside the garbage collector's reach: they also run while the session is finalized.</summary>
    private struct State
    {
        public GCHandle Arena; // an OrtAllocator, which would else be finalized for itself
        public Native* Native;
        public delegate* unmanaged<Native*, void*, void> Free;
        public delegate* unmanaged<Native*, nuint, void*> Reserve;
        public nint Start;
        public nint End;
        public int Blocks;
    }

    private sealed class Loading(PackingAllocator allocator) : IDisposable
    {
        public void Dispose()
        {
            // From here on, only native code allocates: its exceptions must not pass through managed frames.
            allocator._state->Native->Reserve = allocator._state->Reserve;
            allocator._packed.EndLoading();
            _loading = null;
            try
            {
                OrtEnv environment = OrtEnv.Instance();
                environment.UnregisterAllocator(Cpu);
                if (!allocator._replacesAnother)
                    return;
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
