using System.IO.MemoryMappedFiles;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace OnnxVlm.Export.Safetensors;

/// <summary>A tensor of a checkpoint: the place of its bytes, and its numbers as 32-bit floats, a range at a time. Safe for concurrent reads.</summary>
/// <param name="file">The file it lies in, for messages.</param>
/// <param name="name">Its name.</param>
/// <param name="type">Its element type.</param>
/// <param name="shape">Its shape, row-major.</param>
/// <param name="fileOffset">Its first byte in the file.</param>
/// <param name="sizeBytes">Its bytes.</param>
internal class CheckpointTensor(string file, string name, TensorType type, long[] shape, long fileOffset, long sizeBytes)
{
    private SafetensorsFile? _mapped;

    public string Name => name;

    public TensorType Type => type;

    public IReadOnlyList<long> Shape => shape;

    public long FileOffset => fileOffset;

    public long SizeBytes => sizeBytes;

    public long ElementCount => sizeBytes / SafetensorsHeader.ElementBytes(type);

    internal void Attach(SafetensorsFile mapped) => _mapped = mapped;

    /// <summary>
    /// Converts a range of elements to 32-bit floats. The range is mapped only for this call, so a large checkpoint does not stay resident.
    /// </summary>
    /// <param name="firstElement">Index of the first element, row-major.</param>
    /// <param name="destination">Receives the numbers; its length is the range's.</param>
    /// <exception cref="ModelLoadException">A number is not finite, or the element type is not F32, F16 or BF16.</exception>
    public virtual void Read(long firstElement, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstElement);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstElement, ElementCount - destination.Length);
        if (destination.IsEmpty)
            return;
        SafetensorsFile mapped = _mapped ?? throw new InvalidOperationException(
            $"{file}: {name} is not on this disk, and comes when the weights are written; declare what is computed of it with ModelGraph.Derive.");
        int elementBytes = SafetensorsHeader.ElementBytes(type);
        long offset = fileOffset + (firstElement * elementBytes);
        int length = checked(destination.Length * elementBytes);
        using MemoryMappedViewAccessor view = mapped.Map(offset, length);
        Convert(view, length, destination);
    }

    /// <summary>Converts bytes of the tensor to 32-bit floats.</summary>
    /// <param name="bytes">Whole elements, little endian.</param>
    /// <param name="destination">Receives the numbers.</param>
    /// <exception cref="ModelLoadException">A number is not finite, or the element type is not F32, F16 or BF16.</exception>
    public void Convert(ReadOnlySpan<byte> bytes, Span<float> destination)
    {
        switch (type)
        {
            case TensorType.F32:
                bytes.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case TensorType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), destination);
                break;
            case TensorType.BF16:
                WidenBfloat16(MemoryMarshal.Cast<byte, ushort>(bytes), destination);
                break;
            default:
                throw new ModelLoadException($"{file}: {name}: expected F32, F16 or BF16, found {type}; convert the checkpoint");
        }

        // An infinity or a NaN becomes the largest magnitude, so one pass finds it.
        if (!float.IsFinite(TensorPrimitives.MaxMagnitude<float>(destination)))
            throw new ModelLoadException($"{file}: {name}: expected finite numbers, found NaN or infinity; the checkpoint is damaged");
    }

    private unsafe void Convert(MemoryMappedViewAccessor view, int length, Span<float> destination)
    {
        byte* pointer = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        try
        {
            Convert(new ReadOnlySpan<byte>(pointer + view.PointerOffset, length), destination);
        }
        finally
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
    }

    /// <summary>A bfloat16 is the upper half of a float.</summary>
    internal static void WidenBfloat16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        ref ushort from = ref MemoryMarshal.GetReference(source);
        ref float to = ref MemoryMarshal.GetReference(destination);
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i <= source.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
            {
                (Vector256<uint> lower, Vector256<uint> upper) = Vector256.Widen(Vector256.LoadUnsafe(ref from, (nuint)i));
                Vector256.ShiftLeft(lower, 16).AsSingle().StoreUnsafe(ref to, (nuint)i);
                Vector256.ShiftLeft(upper, 16).AsSingle().StoreUnsafe(ref to, (nuint)(i + Vector256<float>.Count));
            }
        }

        for (; i < source.Length; i++)
            Unsafe.Add(ref to, i) = BitConverter.UInt32BitsToSingle((uint)Unsafe.Add(ref from, i) << 16);
    }
}
