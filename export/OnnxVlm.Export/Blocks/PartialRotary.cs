namespace OnnxVlm.Export.Blocks;

/// <summary>
/// Rotary positions on the first numbers of each head. GroupQueryAttention rotates multiples of 16 numbers; for other counts some that stand still are rotated
/// by angle 0, and the numbers of q and k are put in an order in which the rotated halves are whole: [rotated first half, still | rotated second half, still | rest].
/// Attention does not mind the order, as long as q and k have the same.
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

    /// <summary>For each number of a head in the graph, its place in the checkpoint's head.</summary>
    public int[] Order { get; }

    /// <summary>Finds the order.</summary>
    /// <param name="headSize">Numbers in a head.</param>
    /// <param name="rotated">How many of them are rotated, even; pairs are half of that apart.</param>
    /// <param name="theta">Base of the frequencies.</param>
    /// <returns>Null where a head has too few numbers that stand still.</returns>
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
