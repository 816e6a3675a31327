using System.Buffers;

namespace OnnxVlm.Export.Safetensors;

/// <summary>
/// Matrices of the checkpoint stacked into one: rows of the first, then rows of the second. Packs Q, K and V, or gate and up. The rows can be given another
/// order: a matrix that holds Q, K and V head by head becomes one with all of Q first. Of a convolution a row is one of its filters.
/// </summary>
internal sealed class CheckpointRows
{
    private readonly CheckpointTensor[] _parts;
    private readonly int[]? _order;
    private readonly CheckpointTensor? _copy;

    /// <summary>Stacks matrices of the same width.</summary>
    public CheckpointRows(params ReadOnlySpan<CheckpointTensor> parts)
    {
        _parts = parts.ToArray();
        Width = checked((int)(_parts[0].ElementCount / _parts[0].Shape[0]));
        foreach (CheckpointTensor part in _parts)
        {
            if (part.Shape.Count < 2 || part.ElementCount / part.Shape[0] != Width)
                throw new InvalidOperationException($"{part.Name}: expected a matrix of {Width} columns.");
            Count += part.Shape[0];
        }
    }

    /// <summary>One matrix with its rows in another order.</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="order">For each row of the result, the row of the matrix.</param>
    public CheckpointRows(CheckpointTensor matrix, int[] order)
        : this([matrix], order)
    {
    }

    /// <summary>Stacks matrices of the same width, and gives the rows another order.</summary>
    /// <param name="parts">The matrices.</param>
    /// <param name="order">For each row of the result, the row of the stack.</param>
    public CheckpointRows(ReadOnlySpan<CheckpointTensor> parts, int[] order)
        : this(parts)
    {
        _order = order;
        Count = order.Length;
    }

    /// <summary>One matrix of which the checkpoint has a copy. The two are compared while they are read.</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="copy">The copy, of the same shape; null for none.</param>
    public CheckpointRows(CheckpointTensor matrix, CheckpointTensor? copy)
        : this([matrix]) => _copy = copy;

    /// <summary>Rows of all parts.</summary>
    public long Count { get; }

    /// <summary>Numbers in a row.</summary>
    public int Width { get; }

    /// <summary>Reads whole rows as 32-bit floats.</summary>
    /// <exception cref="ModelLoadException">The copy has other numbers, or a number is not finite.</exception>
    public void Read(long firstRow, Span<float> destination)
    {
        if (_order is null)
        {
            ReadStacked(firstRow, destination);
            return;
        }

        int row = (int)firstRow;
        while (!destination.IsEmpty)
        {
            // Neighbours in the checkpoint are read together.
            int run = 1, most = destination.Length / Width;
            while (run < most && _order[row + run] == _order[row] + run)
                run++;
            ReadStacked(_order[row], destination[..(run * Width)]);
            destination = destination[(run * Width)..];
            row += run;
        }
    }

    private void ReadStacked(long firstRow, Span<float> destination)
    {
        long row = firstRow;
        foreach (CheckpointTensor part in _parts)
        {
            long rows = part.Shape[0];
            if (row < rows && !destination.IsEmpty)
            {
                int count = (int)Math.Min((rows - row) * Width, destination.Length);
                part.Read(row * Width, destination[..count]);
                RefuseOtherCopy(part, row * Width, destination[..count]);
                destination = destination[count..];
                row = rows;
            }

            row -= rows;
        }
    }

    private void RefuseOtherCopy(CheckpointTensor part, long firstElement, ReadOnlySpan<float> numbers)
    {
        if (_copy is null)
            return;
        float[] rented = ArrayPool<float>.Shared.Rent(numbers.Length);
        try
        {
            Span<float> copy = rented.AsSpan(0, numbers.Length);
            _copy.Read(firstElement, copy);
            if (!numbers.SequenceEqual(copy))
                throw new ModelLoadException($"{_copy.Name} and {part.Name}: expected the same numbers, since tie_word_embeddings is true, found others; set it to false if the head was trained apart");
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }
}
