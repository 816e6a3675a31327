namespace OnnxVlm.Evaluation.Benchmarking;

/// <summary>The results of <c>onnxvlm bench</c>; times in milliseconds.</summary>
internal sealed record BenchmarkResult
{
    public required string Model { get; init; }

    public required string Architecture { get; init; }

    public required string Precision { get; init; }

    public required long Parameters { get; init; }

    public required string Device { get; init; }

    public required string Processor { get; init; }

    public required int Threads { get; init; }

    /// <summary>The first load in this process, including the comparison of hashes if it was due.</summary>
    public required double FirstLoadMs { get; init; }

    /// <summary>The later loads.</summary>
    public required Measurement WarmLoadMs { get; init; }

    public required int PromptTokens { get; init; }

    public required Measurement PrefillTokensPerSecond { get; init; }

    public required int GeneratedTokens { get; init; }

    public required Measurement DecodeTokensPerSecond { get; init; }

    public required ImageResult? Image { get; init; }

    public required long PeakWorkingSetBytes { get; init; }

    /// <summary>
    /// Bytes that a token reads: the weights, what the runtime adds to them when it packs them, and the cache of half the generated tokens.
    /// </summary>
    public required long BytesPerToken { get; init; }

    /// <summary>The median of several measurements, before and after each decoding run.</summary>
    public required double MemoryBandwidthBytesPerSecond { get; init; }

    /// <summary>Bytes per second that decoding read, as a share of what the machine could read just before and after. Median.</summary>
    public required double BandwidthShare { get; init; }
}

/// <summary>One image and a short question; times in milliseconds.</summary>
internal sealed record ImageResult
{
    public required int ImageTokens { get; init; }

    public required Measurement DecodeMs { get; init; }

    public required Measurement ResizeMs { get; init; }

    public required Measurement CutMs { get; init; }

    /// <summary>From the file's bytes to the logits of the first token.</summary>
    public required Measurement TimeToFirstTokenMs { get; init; }
}
