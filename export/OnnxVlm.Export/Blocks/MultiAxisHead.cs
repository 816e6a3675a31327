namespace OnnxVlm.Export.Blocks;

/// <summary>
/// A query or key head whose elements are rotated by three coordinates of the token: [temporal | row | column], each part by halves in the
/// checkpoint. In the graph the two elements of a pair are adjacent, so that one interleaved rotation covers the head. Attention does not depend on
/// the order, as long as q and k share it.
/// </summary>
/// <param name="Time">Elements rotated by the temporal position; even.</param>
/// <param name="Side">Elements rotated by the row of the image, and as many by the column; even.</param>
internal sealed record MultiAxisHead(int Time, int Side)
{
    /// <summary>Width of the head.</summary>
    public int Size => Time + (2 * Side);

    /// <summary>For each element of a head in the graph, its index in the checkpoint's head.</summary>
    public int[] Order { get; } = [.. Pairs(0, Time), .. Pairs(Time, Side), .. Pairs(Time + Side, Side)];

    private static IEnumerable<int> Pairs(int start, int count) => Enumerable.Range(0, count).Select(i => start + (i / 2) + (i % 2 * (count / 2)));
}
