using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Streaming;

/// <summary>Cuts weight files into pieces and pieces into slices, so that no row of a matrix is ever cut through.</summary>
/// <param name="router">Knows which tensors need whole rows.</param>
/// <param name="limits">How large they are.</param>
internal sealed class PieceCutter(WeightRouter router, StreamLimits limits)
{
    private const int MaxRowBytes = 64 << 20;

    /// <summary>Cuts a range of a file. A tensor that is compared with another one begins a new piece.</summary>
    /// <param name="file">Index of the file.</param>
    /// <param name="tensors">Its tensors, in order.</param>
    /// <param name="start">Where to start: the beginning of a tensor, or where a piece ended.</param>
    /// <param name="end">Where to end.</param>
    /// <param name="isRepeated">See <see cref="FilePiece.IsRepeated"/>.</param>
    public IEnumerable<FilePiece> Cut(int file, IReadOnlyList<CheckpointTensor> tensors, long start, long end, bool isRepeated = false)
    {
        int index = 0;
        while (start < end)
        {
            long limit = Math.Min(
                start + limits.PieceBytes, tensors.FirstOrDefault(tensor => tensor.FileOffset > start && router.IsCopy(tensor))?.FileOffset ?? end);
            limit = Math.Min(limit, end);
            while (index < tensors.Count - 1 && tensors[index].FileOffset + tensors[index].SizeBytes < limit)
                index++;
            long cut = limit == end || limit == tensors[index].FileOffset + tensors[index].SizeBytes
                ? limit
                : tensors[index].FileOffset + ((limit - tensors[index].FileOffset) / Unit(tensors[index]) * Unit(tensors[index]));

            // A row that is longer than a piece makes the piece longer.
            if (cut <= start)
                cut = Math.Min(end, start + Unit(tensors[index]));
            yield return new FilePiece(file, start, checked((int)(cut - start)), isRepeated);
            start = cut;
        }
    }

    /// <summary>Cuts a piece that has arrived. Tensors that nothing is made from are left out.</summary>
    /// <param name="piece">The piece.</param>
    /// <param name="tensors">The tensors of its file, in order.</param>
    /// <param name="bytes">The bytes of the piece.</param>
    public List<TensorSlice> Slice(FilePiece piece, IReadOnlyList<CheckpointTensor> tensors, ReadOnlyMemory<byte> bytes)
    {
        List<TensorSlice> slices = [];
        foreach (CheckpointTensor tensor in tensors.Where(
            tensor => tensor.FileOffset < piece.End && tensor.FileOffset + tensor.SizeBytes > piece.Offset && router.IsUsed(tensor)))
        {
            int elementBytes = SafetensorsHeader.ElementBytes(tensor.Type);
            long position = Math.Max(tensor.FileOffset, piece.Offset), end = Math.Min(tensor.FileOffset + tensor.SizeBytes, piece.End);
            long step = Math.Max(1, (long)limits.SliceElements * elementBytes / Unit(tensor)) * Unit(tensor);
            for (; position < end; position += step)
            {
                int length = (int)Math.Min(step, end - position);
                slices.Add(new TensorSlice(piece, tensor, (position - tensor.FileOffset) / elementBytes, bytes.Slice((int)(position - piece.Offset), length)));
            }
        }

        return slices;
    }

    /// <summary>Bytes that must stay together: a row, or a number.</summary>
    private long Unit(CheckpointTensor tensor)
    {
        int elementBytes = SafetensorsHeader.ElementBytes(tensor.Type);
        if (!router.ComesByRows(tensor))
            return elementBytes;
        long rowBytes = tensor.SizeBytes / Math.Max(1, tensor.Shape[0]);
        return rowBytes <= MaxRowBytes
            ? Math.Max(elementBytes, rowBytes)
            : throw new UnsupportedModelException($"{tensor.Name}: expected rows of at most {MaxRowBytes} bytes, found {rowBytes}");
    }
}
