namespace OnnxVlm.Evaluation.Benchmarking;

/// <summary>What <c>onnxvlm bench --parallel</c> measured.</summary>
/// <param name="Model">Name of the model folder.</param>
/// <param name="Device">Where it ran.</param>
/// <param name="Runner">What ran it.</param>
/// <param name="Threads">Processors of the machine.</param>
/// <param name="Parallel">A row for each number of streams, without an image and then with it.</param>
internal sealed record ParallelReport(string Model, string Device, string Runner, int Threads, IReadOnlyList<ParallelResult> Parallel);

/// <summary>What <c>onnxvlm bench --parallel</c> measured with a number of streams; of several repetitions the one in the middle.</summary>
internal sealed record ParallelResult
{
    /// <summary>Requests that run at the same time.</summary>
    public required int Streams { get; init; }

    /// <summary>Requests in all.</summary>
    public required int Requests { get; init; }

    /// <summary>Tokens of each prompt, those of the image included.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Tokens of the image; 0 without one.</summary>
    public required int ImageTokens { get; init; }

    /// <summary>Tokens of each answer.</summary>
    public required int GeneratedTokens { get; init; }

    /// <summary>Tokens of all answers that came after the last prompt was read, over the time from then to the last token.</summary>
    public required double TotalTokensPerSecond { get; init; }

    /// <summary>Tokens of all answers over the time from the first request to the last token.</summary>
    public required double RequestTokensPerSecond { get; init; }

    /// <summary>Tokens a second of one answer, from its first token to its last: median.</summary>
    public required double StreamTokensPerSecond { get; init; }

    /// <summary>Milliseconds from a request to its first token: median.</summary>
    public required double TimeToFirstTokenMs { get; init; }

    /// <summary>The same: 95 of 100 requests were at least as fast.</summary>
    public required double TimeToFirstTokenP95Ms { get; init; }
}
