namespace OnnxVlm.Export.Blocks;

/// <summary>
/// Rotary positions on the first elements of each head. GroupQueryAttention rotates multiples of 16 elements. For other counts, some of the elements
/// that are not rotated are included with angle 0. The elements of q and k are then ordered so that the rotated halves are contiguous: [rotated first
/// half, padding | rotated second half, padding | rest]. Attention does not depend on the order, as long as q and k share it.
/// </summary>
internal sealed class PartialRotary
{
    private readonly double _theta;
    private readonly int _rotated;
    private readonly int _half;

    private PartialRotary(int rotated, int half, double theta, int[] order)
    {
        _rotated = rotated;
        _half = half;
        _theta = theta;
        Order = order;
    }

    /// <summary>For each element of a head in the graph, its index in the checkpoint's head.</summary>
    public int[] Order { get; }

    /// <summary>Finds the order.</summary>
    /// <param name="headSize">Elements of a head.</param>
    /// <param name="rotated">How many of them are rotated, even; the elements of a pair are half of that apart.</param>
    /// <param name="theta">Base of the frequencies.</param>
    /// <returns>Null where a head has too few elements that are not rotated.</returns>
    public static PartialRotary? TryCreate(int headSize, int rotated, double theta)
    {
        int pairs = rotated / 2, half = (pairs + 7) / 8 * 8, fill = half - pairs;
        if (2 * half > headSize)
            return null;
        int[] order =
        [
            .. Enumerable.Range(0, pairs), .. Enumerable.Range(rotated, fill),
            .. Enumerable.Range(pairs, pairs), .. Enumerable.Range(rotated + fill, fill),
            .. Enumerable.Range(rotated + (2 * fill), headSize - rotated - (2 * fill)),
        ];
        return new PartialRotary(rotated, half, theta, order);
    }

    /// <summary>The tables, [positions, half].</summary>
    public RotaryTables CreateTables(ModelGraph model, int positions) => RotaryTables.Create(model, _theta, _rotated, positions, _half);
}
