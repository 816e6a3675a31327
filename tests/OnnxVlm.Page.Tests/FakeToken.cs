namespace OnnxVlm.Page.Tests;

/// <summary>A token of a made-up answer.</summary>
/// <param name="Text">Its text.</param>
/// <param name="Probability">0 to 1.</param>
/// <param name="Alternatives">What could have stood in its place.</param>
internal sealed record FakeToken(string Text, double Probability = 1, params (string Text, double Probability)[] Alternatives)
{
    /// <summary>Whether it is a part of the reasoning, which comes before the answer.</summary>
    public bool IsThought { get; private init; }

    public static FakeToken Thought(string text) => new(text) { IsThought = true };
}
