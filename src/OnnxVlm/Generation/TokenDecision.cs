using Microsoft.Extensions.AI;

namespace OnnxVlm.Generation;

/// <summary>What to do with the next token.</summary>
public abstract record TokenDecision
{
    private TokenDecision()
    {
    }

    /// <summary>The token is emitted.</summary>
    public static TokenDecision Continue { get; } = new ContinueDecision();

    /// <summary>The answer ends before the token.</summary>
    public static TokenDecision Stop { get; } = new StopDecision();

    /// <summary>Another token is emitted instead.</summary>
    /// <param name="tokenId">The other token; an end token ends the answer.</param>
    /// <returns>The decision.</returns>
    public static TokenDecision Replace(int tokenId) => new ReplaceDecision(tokenId);

    /// <summary>
    /// The token is emitted (an end token is not). Then the model reads text and images as if they were in its answer, and continues from there. They
    /// are not part of the answer's text.
    /// </summary>
    /// <param name="contents"><see cref="TextContent"/> and <see cref="DataContent"/> with an image.</param>
    /// <returns>The decision.</returns>
    public static TokenDecision Append(params IReadOnlyList<AIContent> contents)
    {
        ArgumentNullException.ThrowIfNull(contents);
        return new AppendDecision(contents);
    }

    internal sealed record ContinueDecision : TokenDecision;

    internal sealed record StopDecision : TokenDecision;

    internal sealed record ReplaceDecision(int TokenId) : TokenDecision;

    internal sealed record AppendDecision(IReadOnlyList<AIContent> Contents) : TokenDecision;
}
