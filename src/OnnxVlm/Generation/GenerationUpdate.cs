namespace OnnxVlm.Generation;

/// <summary>One step of an answer. Each token gives one update; the last update has the finish reason and the statistics instead of a token.</summary>
public sealed record GenerationUpdate
{
    /// <summary>Text that is now certain. Empty while a character is incomplete, or while the text may become a stop sequence.</summary>
    public required string Text { get; init; }

    /// <summary>
    /// Whether <see cref="Text"/> is the model's reasoning, as opposed to its answer. The tokens around the reasoning have an empty text.
    /// </summary>
    public bool IsReasoning { get; init; }

    /// <summary>The token; null in the last update.</summary>
    public int? TokenId { get; init; }

    /// <summary>The token's log probability, where <see cref="GenerationOptions.TopLogprobs"/> asks for it.</summary>
    public TokenLogprob? Logprob { get; init; }

    /// <summary>The most probable tokens, best first, where <see cref="GenerationOptions.TopLogprobs"/> asks for them.</summary>
    public IReadOnlyList<TokenLogprob> TopLogprobs { get; init; } = [];

    /// <summary>Why the answer ended; only in the last update.</summary>
    public FinishReason? FinishReason { get; init; }

    /// <summary>The text of <see cref="GenerationOptions.StopSequences"/> that ended the answer; only in the last update, and null if none did.</summary>
    public string? StopSequence { get; init; }

    /// <summary>Counts and times; only in the last update.</summary>
    public GenerationStatistics? Statistics { get; init; }
}
