using System.Buffers;

namespace OnnxVlm.Export.Safetensors;

/// <summary>
/// Matrices of the checkpoint stacked into one: rows of the first, then rows of the second. It packs Q, K and V, or gate and up. The rows can be
/// reordered: a matrix that holds Q, K and V head by head becomes one with all of Q first. A row of a convolution is one of its filters.
/// </summary>
internal sealed class StackedMatrix
{
    private readonly CheckpointTensor[] _parts;
    private readonly int[]? _order;
    private readonly Lazy<int[]?> _placeOf;
    private CheckpointTensor? _copy;

    /// <summary>Stacks matrices of the same width.</summary>
    public StackedMatrix(params ReadOnlySpan<CheckpointTensor> parts)
    {
        _parts = parts.ToArray();
        _placeOf = new Lazy<int[]?>(InvertOrder);
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
    /// <param name="order">For each row of the result, the row of the matrix; each row of the matrix occurs at most once.</param>
    public StackedMatrix(CheckpointTensor matrix, int[] order)
        : this([matrix], order)
    {
    }

    /// <summary>Stacks matrices of the same width, and reorders the rows.</summary>
    /// <param name="parts">The matrices.</param>
    /// <param name="order">For each row of the result, the row of the stack; each row of the stack occurs at most once.</param>
    public StackedMatrix(ReadOnlySpan<CheckpointTensor> parts, int[] order)
        : this(parts)
    {
        _order = order;
        Count = order.Length;
    }

    /// <summary>
    /// An embedding that is also the head. The checkpoint may also have a copy of it as head; the two are then compared while they are read.
    /// </summary>
    /// <param name="matrix">The embedding.</param>
    /// <param name="copy">The copy, of the same shape; null for none.</param>
    public static StackedMatrix Tied(CheckpointTensor matrix, CheckpointTensor? copy) => new(matrix) { _copy = copy };

    /// <summary>The matrices that are stacked.</summary>
    public IReadOnlyList<CheckpointTensor> Parts => _parts;

    /// <summary>A copy of the only part, which must have the same numbers; null for none.</summary>
    public CheckpointTensor? Copy => _copy;

    /// <summary>Rows of all parts.</summary>
    public long Count { get; }

    /// <summary>Numbers in a row.</summary>
    public int Width { get; }

    /// <summary>Reads whole rows as 32-bit floats.</summary>
    /// <exception cref="ModelLoadException">The copy has different numbers, or a number is not finite.</exception>
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
            // Rows that are adjacent in the checkpoint are read together.
            int run = 1, most = destination.Length / Width;
            while (run < most && _order[row + run] == _order[row] + run)
                run++;
            ReadStacked(_order[row], destination[..(run * Width)]);
            destination = destination[(run * Width)..];
            row += run;
        }
    }

    /// <summary>Finds the places of a part's rows in this matrix, for matrices that arrive row by row.</summary>
    /// <param name="part">Index of the part.</param>
    /// <param name="firstRow">The first of the part's rows.</param>
    /// <param name="places">Receives the place of each row; −1 for a row that this matrix does not contain.</param>
    public void FindPlaces(int part, long firstRow, Span<long> places)
    {
        long start = firstRow + _parts.Take(part).Sum(tensor => tensor.Shape[0]);
        for (int i = 0; i < places.Length; i++)
            places[i] = _placeOf.Value is int[] placeOf ? placeOf[start + i] : start + i;
    }

    /// <summary>The error for a copy with different numbers.</summary>
    public ModelLoadException OtherCopy() =>
        new($"{_copy!.Name} and {_parts[0].Name}: " +
            "expected the same numbers, since tie_word_embeddings is true, found others; set it to false if the head was trained apart");

    private int[]? InvertOrder()
    {
        if (_order is null)
            return null;
        int[] placeOf = new int[_parts.Sum(part => part.Shape[0])];
        Array.Fill(placeOf, -1);
        for (int place = 0; place < _order.Length; place++)
        {
            if (placeOf[_order[place]] >= 0)
                throw new InvalidOperationException($"{_parts[0].Name}: row {_order[place]} occurs twice in the order.");
            placeOf[_order[place]] = place;
        }

        return placeOf;
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
                RefuseOtherCopy(row * Width, destination[..count]);
                destination = destination[count..];
                row = rows;
            }

            row -= rows;
        }
    }

    private void RefuseOtherCopy(long firstElement, ReadOnlySpan<float> numbers)
    {
        if (_copy is null)
            return;
        float[] rented = ArrayPool<float>.Shared.Rent(numbers.Length);
        try
        {
            Span<float> copy = rented.AsSpan(0, numbers.Length);
            _copy.Read(firstElement, copy);
            if (!numbers.SequenceEqual(copy))
                throw OtherCopy();
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }
}
