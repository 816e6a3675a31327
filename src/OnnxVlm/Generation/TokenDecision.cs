using Microsoft.Extensions.AI;

namespace OnnxVlm.Generation;

/// <summary>What becomes of a token that the model is about to say.</summary>
public abstract record TokenDecision
{
    private TokenDecision()
    {
    }

    /// <summary>The token is said.</summary>
    public static TokenDecision Continue { get; } = new ContinueDecision();

    /// <summary>The answer ends before the token.</summary>
    public static TokenDecision Stop { get; } = new StopDecision();

    /// <summary>Another token is said instead.</summary>
    /// <param name="tokenId">The other token; an end token ends the answer.</param>
    /// <returns>The decision.</returns>
    public static TokenDecision Replace(int tokenId) => new ReplaceDecision(tokenId);

    /// <summary>The token is said (an end token is not), then the model reads text and images as if they stood in its answer, and goes on from there. They are not part of the answer's text.</summary>
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
