namespace OnnxVlm.Export.Blocks;

/// <summary>Sizes of an attention layer.</summary>
/// <param name="Hidden">Width of the hidden states.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key and value heads; each serves Heads / KeyValueHeads query heads.</param>
/// <param name="HeadSize">Width of a head.</param>
internal sealed record AttentionShape(int Hidden, int Heads, int KeyValueHeads, int HeadSize)
{
    /// <summary>Width of a head in the cache: GroupQueryAttention wants a multiple of 16, and a narrower head is filled up with zeros.</summary>
    public int StoredHeadSize => (HeadSize + 15) / 16 * 16;
}
