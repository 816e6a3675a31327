namespace OnnxVlm.Evaluation.Benchmarking;

/// <summary>The results of <c>onnxvlm bench --parallel</c>.</summary>
/// <param name="Model">Name of the model folder.</param>
/// <param name="Device">The device of the model.</param>
/// <param name="Runner">The runner of the model.</param>
/// <param name="Threads">Processors of the machine.</param>
/// <param name="Parallel">One row for each number of streams, without an image and then with it.</param>
internal sealed record ParallelReport(string Model, string Device, string Runner, int Threads, IReadOnlyList<ParallelResult> Parallel);

/// <summary>The result of <c>onnxvlm bench --parallel</c> for one number of streams; of several repetitions, the median one.</summary>
internal sealed record ParallelResult
{
    /// <summary>Requests that run at the same time.</summary>
    public required int Streams { get; init; }

    /// <summary>Requests in all.</summary>
    public required int Requests { get; init; }

    /// <summary>Tokens of each prompt, including those of the image.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Tokens of the image; 0 without one.</summary>
    public required int ImageTokens { get; init; }

    /// <summary>Tokens of each answer.</summary>
    public required int GeneratedTokens { get; init; }

    /// <summary>Tokens of all answers that were generated after the last prompt was read, divided by the time from then to the last token.</summary>
    public required double TotalTokensPerSecond { get; init; }

    /// <summary>Tokens of all answers, divided by the time from the first request to the last token.</summary>
    public required double RequestTokensPerSecond { get; init; }

    /// <summary>Tokens per second of one answer, from its first token to its last: median.</summary>
    public required double StreamTokensPerSecond { get; init; }

    /// <summary>Milliseconds from a request to its first token: median.</summary>
    public required double TimeToFirstTokenMs { get; init; }

    /// <summary>The 95th percentile of the same.</summary>
    public required double TimeToFirstTokenP95Ms { get; init; }
}
