namespace OnnxVlm.Runtime;

/// <summary>
/// How many tokens the caches of layers with a window keep. In such a layer a token sees itself and the window − 1 tokens before it, so older tokens
/// are evicted, several at a time. Some more tokens are kept, so that a row can be rewound by that many. To go back further, the sequence must be
/// read again, because the state of these layers depends on everything that was read.
/// </summary>
/// <param name="window">Tokens that a token sees, including itself.</param>
/// <param name="pieceTokens">Tokens of a usual piece of a prompt.</param>
internal sealed class WindowRule(int window, int pieceTokens)
{
    /// <summary>By how many tokens a row can always be rewound: a quarter of the window, at most 256.</summary>
    public int Slack { get; } = Math.Clamp(window / 4, 16, 256);

    /// <summary>The most tokens that are kept, except in a run with an image that is longer than a piece.</summary>
    public int MostTokens => Kept + Math.Max(pieceTokens, Slack / 2);

    // The number of tokens that remain after an eviction.
    private int Kept => window - 1 + Slack;

    /// <summary>Whether a row can be rewound to a length.</summary>
    /// <param name="evicted">Tokens at its beginning that are not kept.</param>
    /// <param name="length">The length.</param>
    public bool CanEndAt(int evicted, int length) => evicted <= Math.Max(0, length - (window - 1));

    /// <summary>
    /// How many tokens are evicted before a run: none while there is room; otherwise so many that the row can still be rewound by <see cref="Slack"/>
    /// after the run, but never any that the run sees.
    /// </summary>
    /// <param name="evicted">Tokens at the beginning that are not kept now.</param>
    /// <param name="length">Tokens of the row.</param>
    /// <param name="next">Tokens of the run.</param>
    /// <returns>Tokens at the beginning that are not kept then.</returns>
    public int Evict(int evicted, int length, int next) =>
        length + next - evicted <= MostTokens ? evicted : Math.Max(evicted, Math.Min(length - (window - 1), length + next - Kept));
}
