namespace OnnxVlm.Export.Blocks;

/// <summary>
/// A query or key head whose numbers are rotated by three coordinates of the token: [time | row | column], each part by halves in the checkpoint. In the graph the two numbers of a
/// pair are neighbours, so that one interleaved rotation covers the head; attention does not mind the order, as long as q and k have the same.
/// </summary>
/// <param name="Time">Numbers rotated by the place in the text; even.</param>
/// <param name="Side">Numbers rotated by the row of the image, and as many by the column; even.</param>
internal sealed record MultiAxisHead(int Time, int Side)
{
    /// <summary>Width of the head.</summary>
    public int Size => Time + (2 * Side);

    /// <summary>For each number of a head in the graph, its place in the checkpoint's head.</summary>
    public int[] Order { get; } = [.. Pairs(0, Time), .. Pairs(Time, Side), .. Pairs(Time + Side, Side)];

    private static IEnumerable<int> Pairs(int start, int count) => Enumerable.Range(0, count).Select(i => start + (i / 2) + (i % 2 * (count / 2)));
}
