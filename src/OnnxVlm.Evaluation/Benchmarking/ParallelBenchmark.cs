using System.Diagnostics;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Evaluation.Benchmarking;

/// <summary>Measures how fast a model answers several requests at the same time.</summary>
/// <param name="model">The model.</param>
/// <param name="repetitions">The number of repetitions of each measurement; the median counts.</param>
/// <param name="progress">Receives the name of the next measurement.</param>
internal sealed class ParallelBenchmark(VlmModel model, int repetitions, Action<string> progress)
{
    private readonly Random _random = new(1);

    /// <summary>Measures each number of streams, without an image and, if there is one, with it.</summary>
    /// <param name="streams">Requests that run at the same time.</param>
    /// <param name="requests">Requests in all, at least as many as streams; null for the number of streams.</param>
    /// <param name="promptTokens">Tokens of text in each prompt; the prompts differ.</param>
    /// <param name="generatedTokens">Tokens of each answer.</param>
    /// <param name="image">An image file for each prompt; null for none.</param>
    /// <param name="cancellationToken">Ends the measurement.</param>
    public async Task<IReadOnlyList<ParallelResult>> RunAsync(
        IReadOnlyList<int> streams, int? requests, int promptTokens, int generatedTokens, byte[]? image, CancellationToken cancellationToken)
    {
        List<ParallelResult> results = [];
        foreach (byte[]? shown in image is null ? [null] : new[] { null, image })
        {
            PromptSegment[] segments = shown is null
                ? []
                : [ImageRun.Create(model.Manifest.Image.Tokens, model.ImagePreprocessor.Process(shown, cancellationToken))];
            foreach (int count in streams)
            {
                List<ParallelResult> repeated = [];
                for (int i = 0; i < repetitions; i++)
                {
                    progress($"{count} stream{(count == 1 ? "" : "s")}{(shown is null ? "" : " with an image")}");
                    repeated.Add(await MeasureAsync(
                        count, Math.Max(count, requests ?? count), segments, promptTokens, generatedTokens, cancellationToken).ConfigureAwait(false));
                }
                results.Add(repeated.OrderBy(result => result.TotalTokensPerSecond).ElementAt(repetitions / 2));
            }
        }
        return results;
    }

    private async Task<ParallelResult> MeasureAsync(
        int streams, int requests, PromptSegment[] image, int promptTokens, int generatedTokens, CancellationToken cancellationToken)
    {
        Prompt[] prompts = [.. Enumerable.Range(0, requests).Select(
            _ => new Prompt([new PromptSegment(BenchmarkTokens.Create(model.Manifest, _random, promptTokens)), .. image]))];
        GenerationOptions options = new() { MaxNewTokens = generatedTokens, MinNewTokens = generatedTokens };
        Request[] measured = new Request[requests];
        int next = -1;
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, streams).Select(_ => Task.Run(async () =>
        {
            for (int i = Interlocked.Increment(ref next); i < requests; i = Interlocked.Increment(ref next))
                measured[i] = await AnswerAsync(prompts[i], options, cancellationToken).ConfigureAwait(false);
        }, cancellationToken))).ConfigureAwait(false);

        long lastFirst = measured.Max(request => request.Tokens[0]), end = measured.Max(request => request.Tokens[^1]);
        int after = measured.Sum(request => request.Tokens.Count(time => time > lastFirst));
        double[] first = [.. measured.Select(request => Stopwatch.GetElapsedTime(request.Start, request.Tokens[0]).TotalMilliseconds).Order()];
        double[] each =
            [.. measured.Select(request => (request.Tokens.Count - 1) / Stopwatch.GetElapsedTime(request.Tokens[0], request.Tokens[^1]).TotalSeconds).Order()];
        return new ParallelResult
        {
            Streams = streams,
            Requests = requests,
            PromptTokens = prompts[0].TokenCount,
            ImageTokens = prompts[0].ImageTokenCount,
            GeneratedTokens = generatedTokens,
            TotalTokensPerSecond = after / Stopwatch.GetElapsedTime(lastFirst, end).TotalSeconds,
            RequestTokensPerSecond = measured.Sum(request => request.Tokens.Count) / Stopwatch.GetElapsedTime(start, end).TotalSeconds,
            StreamTokensPerSecond = each[each.Length / 2],
            TimeToFirstTokenMs = first[first.Length / 2],
            TimeToFirstTokenP95Ms = first[Math.Min(first.Length - 1, (int)Math.Ceiling(0.95 * first.Length) - 1)],
        };
    }

    private async Task<Request> AnswerAsync(Prompt prompt, GenerationOptions options, CancellationToken cancellationToken)
    {
        Request request = new(Stopwatch.GetTimestamp(), []);
        await foreach (GenerationUpdate update in model.GenerateAsync(prompt, options, cancellationToken).ConfigureAwait(false))
        {
            if (update.TokenId is not null)
                request.Tokens.Add(Stopwatch.GetTimestamp());
        }
        return request;
    }

    /// <summary>The time of the request and the times of its tokens, in ticks of the stopwatch.</summary>
    private sealed record Request(long Start, List<long> Tokens);
}
