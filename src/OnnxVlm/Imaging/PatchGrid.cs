using System.Buffers.Binary;
using System.Security.Cryptography;

namespace OnnxVlm.Imaging;

/// <summary>An image cut into square patches, row by row from the top left. Immutable.</summary>
public sealed class PatchGrid
{
    private ulong? _contentHash;

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

    /// <inheritdoc cref="RgbImage.DropsTransparency"/>
    public bool DropsTransparency { get; init; }

    /// <inheritdoc cref="RgbImage.Reduction"/>
    public double Reduction { get; init; } = 1;

    /// <summary>Identifies an image: the first 64 bits of SHA-256 over the shape and the patches. Computed once.</summary>
    internal ulong ContentHash => _contentHash ??= ComputeHash();

    private ulong ComputeHash()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(BitConverter.GetBytes(Rows));
        hash.AppendData(BitConverter.GetBytes(Columns));
        hash.AppendData(Patches.Span);
        // The highest bit is set so that an image's token is never mistaken for a text token.
        return BinaryPrimitives.ReadUInt64LittleEndian(hash.GetHashAndReset()) | (1UL << 63);
    }
}
