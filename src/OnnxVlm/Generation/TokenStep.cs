namespace OnnxVlm.Generation;

/// <summary>The token that the model is about to say, as <see cref="GenerationOptions.OnToken"/> sees it.</summary>
public sealed record TokenStep
{
    /// <summary>Number of tokens of the answer before this one.</summary>
    public required int Index { get; init; }

    /// <summary>The token.</summary>
    public required int TokenId { get; init; }

    /// <summary>The token's UTF-8 bytes, which may be part of a character only; none for a special token.</summary>
    public required ReadOnlyMemory<byte> Bytes { get; init; }

    /// <summary>Whether the token would end the answer.</summary>
    public required bool IsEnd { get; init; }

    /// <summary>The answer so far.</summary>
    public required string Text { get; init; }
}
