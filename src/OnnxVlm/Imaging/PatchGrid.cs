namespace OnnxVlm.Imaging;

/// <summary>An image cut into square patches, row by row from the top left. Immutable.</summary>
public sealed class PatchGrid
{
    internal PatchGrid(int rows, int columns, byte[] patches)
    {
        Rows = rows;
        Columns = columns;
        Patches = patches;
    }

    /// <summary>Rows of patches, 1 or more.</summary>
    public int Rows { get; }

    /// <summary>Columns of patches, 1 or more.</summary>
    public int Columns { get; }

    /// <summary>Number of patches: <see cref="Rows"/> · <see cref="Columns"/>.</summary>
    public int Count => Rows * Columns;

    /// <summary>uint8 <c>[rows · columns, 3 · p · p]</c>, each patch in the layout of the model's image rules; not normalized, 0 to 255.</summary>
    public ReadOnlyMemory<byte> Patches { get; }
}
