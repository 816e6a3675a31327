namespace OnnxVlm.Export.Safetensors;

/// <summary>Matrices of the checkpoint stacked into one: rows of the first, then rows of the second. Packs Q, K and V, or gate and up.</summary>
internal sealed class CheckpointRows
{
    private readonly CheckpointTensor[] _parts;

    /// <summary>Stacks matrices of the same width.</summary>
    public CheckpointRows(params ReadOnlySpan<CheckpointTensor> parts)
    {
        _parts = parts.ToArray();
        Width = checked((int)_parts[0].Shape[^1]);
        foreach (CheckpointTensor part in _parts)
        {
            if (part.Shape.Count != 2 || part.Shape[1] != Width)
                throw new InvalidOperationException($"{part.Name}: expected a matrix of {Width} columns.");
            Count += part.Shape[0];
        }
    }

    /// <summary>Rows of all parts.</summary>
    public long Count { get; }

    /// <summary>Numbers in a row.</summary>
    public int Width { get; }

    /// <summary>Reads whole rows as 32-bit floats.</summary>
    public void Read(long firstRow, Span<float> destination)
    {
        long row = firstRow;
        foreach (CheckpointTensor part in _parts)
        {
            long rows = part.Shape[0];
            if (row < rows && !destination.IsEmpty)
            {
                int count = (int)Math.Min((rows - row) * Width, destination.Length);
                part.Read(row * Width, destination[..count]);
                destination = destination[count..];
                row = rows;
            }

            row -= rows;
        }
    }
}
