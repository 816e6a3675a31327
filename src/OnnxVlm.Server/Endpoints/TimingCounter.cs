using System.Diagnostics;
using OnnxVlm.Generation;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>Follows how long an answer takes. Used by one thread at a time.</summary>
internal sealed class TimingCounter
{
    private readonly long _started = Stopwatch.GetTimestamp();
    private PrefillProgress? _progress;
    private TimeSpan _prompt;
    private long _firstToken;
    private long _tokens;

    /// <summary>Takes what comes next of the answer.</summary>
    /// <param name="answer">A piece, or how far the prompt is read.</param>
    /// <returns>The times so far.</returns>
    public Timings Add(AnswerUpdate answer)
    {
        if (answer.Progress is { } progress)
        {
            _progress = progress;
            _prompt = progress.Elapsed;
        }
        if (answer.Update.RawRepresentation is GenerationUpdate { TokenId: not null })
        {
            if (_tokens++ == 0)
            {
                _firstToken = Stopwatch.GetTimestamp();
                if (_progress is null)
                    _prompt = Stopwatch.GetElapsedTime(_started);
            }
        }
        if (answer.Update.RawRepresentation is GenerationUpdate { Statistics: { } whole })
            return new Timings(whole.CachedTokens, whole.PromptTokens - whole.CachedTokens, whole.Prefill.TotalMilliseconds, whole.GeneratedTokens, whole.Decode.TotalMilliseconds);
        double predicted = _tokens == 0 ? 0 : Stopwatch.GetElapsedTime(_firstToken).TotalMilliseconds;
        return new Timings(_progress?.CachedTokens ?? 0, (_progress?.TokensRead ?? 0) - (_progress?.CachedTokens ?? 0), _prompt.TotalMilliseconds, _tokens, predicted);
    }
}
