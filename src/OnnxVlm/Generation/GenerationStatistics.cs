namespace OnnxVlm.Generation;

/// <summary>Counts and times of one answer.</summary>
public sealed record GenerationStatistics
{
    /// <summary>Tokens of the prompt, those of images included.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Tokens of the prompt that belong to images.</summary>
    public required int ImageTokens { get; init; }

    /// <summary>
    /// Images of the prompt with transparent pixels that the model saw without their transparency, by its own rule; <see cref="VlmOptions.BlendAlpha"/> lays them over white.
    /// </summary>
    public int TransparentImages { get; init; }

    /// <summary>Images of the prompt that were shrunk by more than 3 a side to what the model takes: small print in them is lost.</summary>
    public int ShrunkImages { get; init; }

    /// <summary>Tokens of the prompt that were in the cache already, from an earlier answer with the same beginning.</summary>
    public int CachedTokens { get; init; }

    /// <summary>
    /// Tokens of the prompt that had been read for an earlier answer and were read again: recurrent layers and layers with a window remember few places that an answer can go on from. 0 for other models.
    /// </summary>
    public int RereadTokens { get; init; }

    /// <summary>Tokens of the answer, the end token not counted.</summary>
    public required int GeneratedTokens { get; init; }

    /// <summary>Decoding, resizing and patching of the images.</summary>
    public required TimeSpan Preprocessing { get; init; }

    /// <summary>Reading the prompt.</summary>
    public required TimeSpan Prefill { get; init; }

    /// <summary>From the call to the first token of the answer.</summary>
    public required TimeSpan TimeToFirstToken { get; init; }

    /// <summary>From the first token of the answer to its end.</summary>
    public required TimeSpan Decode { get; init; }

    /// <summary>Prompt tokens read per second; those that were in the cache are not counted.</summary>
    public double PrefillTokensPerSecond => (PromptTokens - CachedTokens) / Math.Max(Prefill.TotalSeconds, 1e-9);

    /// <summary>Tokens generated per second, the first one not counted; 0 where there is only one.</summary>
    public double DecodeTokensPerSecond => GeneratedTokens > 1 ? (GeneratedTokens - 1) / Math.Max(Decode.TotalSeconds, 1e-9) : 0;
}
