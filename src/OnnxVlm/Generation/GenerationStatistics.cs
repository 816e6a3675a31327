namespace OnnxVlm.Generation;

/// <summary>Counts and times of one answer.</summary>
public sealed record GenerationStatistics
{
    /// <summary>Tokens of the prompt, including those of images.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Tokens of the prompt that belong to images.</summary>
    public required int ImageTokens { get; init; }

    /// <summary>
    /// Images of the prompt whose transparency was dropped, by the model's own rule; <see cref="VlmOptions.BlendAlpha"/> blends them over white.
    /// </summary>
    public int TransparentImages { get; init; }

    /// <summary>Images of the prompt whose sides were shrunk to less than a third, to the size that the model takes: small print in them is lost.</summary>
    public int ShrunkImages { get; init; }

    /// <summary>Tokens of the prompt that were already in the cache, from an earlier answer with the same beginning.</summary>
    public int CachedTokens { get; init; }

    /// <summary>
    /// Tokens of the prompt that had been read for an earlier answer and were read again, because recurrent and sliding-window layers can continue
    /// only from few positions. 0 for other models.
    /// </summary>
    public int RereadTokens { get; init; }

    /// <summary>Tokens of the answer, without the end token.</summary>
    public required int GeneratedTokens { get; init; }

    /// <summary>Time of decoding, resizing and patching the images.</summary>
    public required TimeSpan Preprocessing { get; init; }

    /// <summary>Time of reading the prompt.</summary>
    public required TimeSpan Prefill { get; init; }

    /// <summary>Time from the call to the first token of the answer.</summary>
    public required TimeSpan TimeToFirstToken { get; init; }

    /// <summary>Time from the first token of the answer to its end.</summary>
    public required TimeSpan Decode { get; init; }

    /// <summary>Prompt tokens read per second, without those that were in the cache.</summary>
    public double PrefillTokensPerSecond => (PromptTokens - CachedTokens) / Math.Max(Prefill.TotalSeconds, 1e-9);

    /// <summary>Tokens generated per second, without the first one; 0 where there is only one.</summary>
    public double DecodeTokensPerSecond => GeneratedTokens > 1 ? (GeneratedTokens - 1) / Math.Max(Decode.TotalSeconds, 1e-9) : 0;
}
