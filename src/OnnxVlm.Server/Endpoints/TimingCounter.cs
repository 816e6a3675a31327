using System.Diagnostics;
using OnnxVlm.Generation;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>Measures how long an answer takes. Used by one thread at a time.</summary>
internal sealed class TimingCounter
{
    private readonly long _started = Stopwatch.GetTimestamp();
    private PrefillProgress? _progress;
    private TimeSpan _prompt;
    private long _firstToken;
    private long _tokens;

    /// <summary>Records the next part of the answer.</summary>
    /// <param name="answer">A piece, or the progress of the prompt.</param>
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
        {
            return new Timings(
                whole.CachedTokens,
                whole.PromptTokens - whole.CachedTokens,
                whole.Prefill.TotalMilliseconds,
                whole.GeneratedTokens,
                whole.Decode.TotalMilliseconds);
        }
        double predicted = _tokens == 0 ? 0 : Stopwatch.GetElapsedTime(_firstToken).TotalMilliseconds;
        int cached = _progress?.CachedTokens ?? 0;
        return new Timings(cached, (_progress?.TokensRead ?? 0) - cached, _prompt.TotalMilliseconds, _tokens, predicted);
    }
}
