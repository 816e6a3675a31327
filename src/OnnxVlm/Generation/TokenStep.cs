namespace OnnxVlm.Generation;

/// <summary>The token that is about to be emitted, as <see cref="GenerationOptions.OnToken"/> receives it.</summary>
public sealed record TokenStep
{
    /// <summary>Number of tokens of the answer before this one.</summary>
    public required int Index { get; init; }

    /// <summary>The token.</summary>
    public required int TokenId { get; init; }

    /// <summary>The token's UTF-8 bytes, possibly only a part of a character; empty for a special token.</summary>
    public required ReadOnlyMemory<byte> Bytes { get; init; }

    /// <summary>Whether the token would end the answer.</summary>
    public required bool IsEnd { get; init; }

    /// <summary>The answer so far.</summary>
    public required string Text { get; init; }
}
