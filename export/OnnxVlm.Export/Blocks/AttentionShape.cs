namespace OnnxVlm.Export.Blocks;

/// <summary>Sizes of an attention layer.</summary>
/// <param name="Hidden">Width of the hidden states.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key and value heads; each serves Heads / KeyValueHeads query heads.</param>
/// <param name="HeadSize">Width of a query and of a key head.</param>
internal sealed record AttentionShape(int Hidden, int Heads, int KeyValueHeads, int HeadSize)
{
    /// <summary>Factor of q·kᵀ.</summary>
    public float Scale { get; init; } = (float)(1 / Math.Sqrt(HeadSize));

    /// <summary>Width of a value head, at most <see cref="HeadSize"/>: the cache has one width for both.</summary>
    public int ValueSize { get; init; } = HeadSize;

    /// <summary>A token attends to itself and the Window − 1 tokens before it; null for all before it.</summary>
    public int? Window { get; init; }

    /// <summary>
    /// How heads narrower than <see cref="StoredHeadSize"/> are padded. True pads each half, which keeps rotation pairs half a head apart where the
    /// whole head is rotated; false pads the end.
    /// </summary>
    public bool FillHalves { get; init; }

    /// <summary>Width of a head in the cache: GroupQueryAttention needs a multiple of 16, and a narrower head is padded with zeros.</summary>
    public int StoredHeadSize => (HeadSize + 15) / 16 * 16;

    /// <summary>KV-cache elements of one token.</summary>
    public int CachedNumbers => 2 * KeyValueHeads * StoredHeadSize;
}
