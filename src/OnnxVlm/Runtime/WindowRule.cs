namespace OnnxVlm.Runtime;

/// <summary>
/// How many tokens the caches of layers with a window keep. A token of such a layer sees itself and the window − 1 before it, so that what is older is evicted, some at a time. Some tokens more are
/// kept, so that a row can go back by as many; before that, a state of these layers can only be had by reading the sequence again, since what they keep depends on all that was read.
/// </summary>
/// <param name="window">Tokens that a token sees, itself among them.</param>
/// <param name="pieceTokens">Tokens of a usual piece of a prompt.</param>
internal sealed class WindowRule(int window, int pieceTokens)
{
    /// <summary>By how many tokens a row can always go back: a quarter of the window, at most 256.</summary>
    public int Slack { get; } = Math.Clamp(window / 4, 16, 256);

    /// <summary>The most tokens that are kept, but in a run with an image that is longer than a piece.</summary>
    public int MostTokens => Kept + Math.Max(pieceTokens, Slack / 2);

    // What stays when a row is evicted from.
    private int Kept => window - 1 + Slack;

    /// <summary>Whether a row can end at a place.</summary>
    /// <param name="evicted">Tokens at its beginning that are not kept.</param>
    /// <param name="length">The place.</param>
    public bool CanEndAt(int evicted, int length) => evicted <= Math.Max(0, length - (window - 1));

    /// <summary>What is evicted before a run: nothing, while there is room; else so much that <see cref="Slack"/> holds after the run, and never what the run sees.</summary>
    /// <param name="evicted">Tokens at the beginning that are not kept now.</param>
    /// <param name="length">Tokens of the row.</param>
    /// <param name="next">Tokens of the run.</param>
    /// <returns>Tokens at the beginning that are not kept then.</returns>
    public int Evict(int evicted, int length, int next) =>
        length + next - evicted <= MostTokens ? evicted : Math.Max(evicted, Math.Min(length - (window - 1), length + next - Kept));
}
