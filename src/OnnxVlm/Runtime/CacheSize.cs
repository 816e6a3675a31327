namespace OnnxVlm.Runtime;

/// <summary>The memory of one sequence, without the weights: keys and values of its tokens, and the state of recurrent layers.</summary>
public sealed record CacheSize
{
    private const int SavedStateShare = 4;

    /// <summary>Bytes per token in the layers that keep all tokens.</summary>
    public required long TokenBytes { get; init; }

    /// <summary>Bytes per token in the layers that keep only the last tokens; 0 if there are none.</summary>
    public long WindowTokenBytes { get; init; }

    /// <summary>The most tokens that those layers keep, except while an image is read that is longer than a piece of text; null if they keep all.</summary>
    public int? WindowTokens { get; init; }

    /// <summary>Bytes of the state of recurrent layers, however long the sequence is; 0 for a model without such layers.</summary>
    public long StateBytes { get; init; }

    /// <summary>
    /// The most tokens that layers with a window keep on the CPU. They keep some more than the window, so that a sequence can be rewound by that many
    /// tokens without being read again.
    /// </summary>
    /// <param name="slidingWindow">Tokens that such a layer sees; null if the model has no such layer, or if its graph makes them keep everything.</param>
    /// <returns>For <see cref="WindowTokens"/>.</returns>
    public static int? WindowTokensOf(int? slidingWindow) => slidingWindow is int window ? new WindowRule(window, OrtDecoder.CpuChunkTokens).MostTokens : null;

    /// <summary>Bytes of a sequence.</summary>
    /// <param name="tokens">Its tokens.</param>
    public long Bytes(int tokens) => (tokens * TokenBytes) + (Math.Min(tokens, WindowTokens ?? tokens) * WindowTokenBytes) + StateBytes;

    /// <summary>The part of a cache that is reserved for saved states of recurrent layers: a quarter, if there are such layers.</summary>
    /// <param name="cacheBytes">The cache, in bytes.</param>
    public long SavedStateBytes(long cacheBytes) => StateBytes == 0 ? 0 : cacheBytes / SavedStateShare;

    /// <summary>How many sequences fit into a cache.</summary>
    /// <param name="cacheBytes">The cache, in bytes.</param>
    /// <param name="tokens">Tokens of each.</param>
    public long SequencesWithin(long cacheBytes, int tokens) => (cacheBytes - SavedStateBytes(cacheBytes)) / Math.Max(1, Bytes(tokens));
}
