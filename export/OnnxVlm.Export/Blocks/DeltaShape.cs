namespace OnnxVlm.Export.Blocks;

/// <summary>Sizes of a gated DeltaNet layer.</summary>
/// <param name="Hidden">Width of the hidden states.</param>
/// <param name="KeyHeads">Heads of q and k; each serves ValueHeads / KeyHeads neighbouring value heads.</param>
/// <param name="ValueHeads">Heads of v, each with a state.</param>
/// <param name="KeySize">Width of a head of q and k: rows of a state.</param>
/// <param name="ValueSize">Width of a head of v: columns of a state.</param>
/// <param name="Kernel">Tokens that the convolution spans.</param>
internal sealed record DeltaShape(int Hidden, int KeyHeads, int ValueHeads, int KeySize, int ValueSize, int Kernel)
{
    /// <summary>Width of all heads of q, or of k.</summary>
    public int Keys => KeyHeads * KeySize;

    /// <summary>Width of all heads of v.</summary>
    public int Values => ValueHeads * ValueSize;

    /// <summary>Channels of the convolution: q, k and v.</summary>
    public int Channels => (2 * Keys) + Values;

    /// <summary>Elements of the state that the layer keeps of a sequence, however long it is.</summary>
    public long StateElements => ((long)ValueHeads * KeySize * ValueSize) + ((long)(Kernel - 1) * Channels);
}
