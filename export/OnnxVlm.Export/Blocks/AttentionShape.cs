namespace OnnxVlm.Export.Blocks;

/// <summary>Sizes of an attention layer.</summary>
/// <param name="Hidden">Width of the hidden states.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key and value heads; each serves Heads / KeyValueHeads query heads.</param>
/// <param name="HeadSize">Width of a head.</param>
internal sealed record AttentionShape(int Hidden, int Heads, int KeyValueHeads, int HeadSize);
