using System.Buffers;
using System.Numerics.Tensors;

namespace OnnxVlm.Generation;

/// <summary>
/// Turns the model's logits into scores whose highest is the next token: bias, penalties, temperature, top-k, top-p, min-p, and the random choice
/// itself. The choice is the Gumbel-max trick: argmax of log p + Gumbel noise is a sample from p (Gumbel, 1954; Maddison et al., arXiv:1411.0030). So
/// if a grammar then excludes tokens, the result is a sample from the allowed ones, and the runtime only ever takes the highest score.
/// </summary>
internal sealed class Sampler
{
    /// <summary>
    /// Score of an excluded token. If a grammar allows nothing else, the token still wins, since the grammar excludes with a lower score.
    /// </summary>
    public const float Excluded = -1e30f;

    /// <summary>
    /// The most consecutive digit tokens in a JSON answer. A grammar allows endless numbers, and a model may repeat a digit forever; no double
    /// has more significant digits.
    /// </summary>
    public const int MaxDigitsInARow = 20;

    private readonly GenerationOptions _options;
    private readonly IReadOnlyList<int> _endTokenIds;
    private readonly HashSet<int> _digitTokenIds;
    private readonly IReadOnlyList<int> _suppressedTokenIds;
    private readonly HashSet<int> _promptTokens;
    private readonly Dictionary<int, int> _counts = [];
    private ulong _random;
    private int _generated;
    private int _digitsInARow;

    /// <summary>Prepares the sampler for one answer.</summary>
    /// <param name="options">The options.</param>
    /// <param name="endTokenIds">Tokens that end the answer; excluded before <see cref="GenerationOptions.MinNewTokens"/>.</param>
    /// <param name="promptTokenIds">The prompt, for the repetition penalty.</param>
    /// <param name="digitTokenIds">Tokens that consist only of digits, where <see cref="MaxDigitsInARow"/> applies; null where it does not.</param>
    /// <param name="suppressedTokenIds">Tokens that are never chosen; null for none.</param>
    public Sampler(GenerationOptions options, IReadOnlyList<int> endTokenIds, IEnumerable<int> promptTokenIds, IEnumerable<int>? digitTokenIds = null,
        IReadOnlyList<int>? suppressedTokenIds = null)
    {
        _suppressedTokenIds = suppressedTokenIds ?? [];
        _digitTokenIds = [.. digitTokenIds ?? []];
        _options = options = options.Over(null);
        _endTokenIds = endTokenIds;
        _promptTokens = options.RepetitionPenalty == 1 ? [] : [.. promptTokenIds];
        _random = (ulong)(options.Seed ?? Random.Shared.NextInt64());
    }

    /// <summary>Whether the scores differ from the logits at all; greedy decoding without any of these options skips this class.</summary>
    public bool IsActive =>
        _options.Temperature > 0 || _generated < _options.MinNewTokens || _digitsInARow >= MaxDigitsInARow
        || _options.LogitBias.Count > 0 || _suppressedTokenIds.Count > 0
        || _options.RepetitionPenalty != 1 || _options.PresencePenalty != 0 || _options.FrequencyPenalty != 0;

    /// <summary>Records the chosen token.</summary>
    /// <param name="tokenId">The token.</param>
    public void Taken(int tokenId)
    {
        _generated++;
        _digitsInARow = _digitTokenIds.Contains(tokenId) ? _digitsInARow + 1 : 0;
        _counts[tokenId] = _counts.GetValueOrDefault(tokenId) + 1;
    }

    /// <summary>Turns logits into scores, in place.</summary>
    /// <param name="logits">float [vocabulary].</param>
    public void Score(Span<float> logits)
    {
        ApplyPenalties(logits);
        ApplyBias(logits);
        Exclude(logits, _suppressedTokenIds);
        if (_generated < _options.MinNewTokens)
            Exclude(logits, _endTokenIds);
        if (_digitsInARow >= MaxDigitsInARow)
            Exclude(logits, _digitTokenIds);
        if (_options.Temperature > 0)
            Sample(logits);
    }

    private void ApplyPenalties(Span<float> logits)
    {
        float repetition = (float)_options.RepetitionPenalty!;
        if (repetition != 1)
        {
            foreach (int id in _promptTokens)
                Repeat(logits, id);
            foreach (int id in _counts.Keys)
            {
                if (!_promptTokens.Contains(id))
                    Repeat(logits, id);
            }
        }
        if (_options.PresencePenalty != 0 || _options.FrequencyPenalty != 0)
        {
            foreach ((int id, int count) in _counts)
                logits[id] -= (float)(_options.PresencePenalty + (_options.FrequencyPenalty * count));
        }

        void Repeat(Span<float> logits, int id) => logits[id] = logits[id] > 0 ? logits[id] / repetition : logits[id] * repetition;
    }

    private void ApplyBias(Span<float> logits)
    {
        foreach ((int id, double bias) in _options.LogitBias)
        {
            if ((uint)id < (uint)logits.Length)
                logits[id] += (float)bias;
        }
    }

    private static void Exclude(Span<float> logits, IEnumerable<int> ids)
    {
        foreach (int id in ids)
            logits[id] = Excluded;
    }

    private void Sample(Span<float> logits)
    {
        TensorPrimitives.Divide(logits, (float)_options.Temperature!, logits);
        float threshold = Threshold(logits);

        // The noise is above −4, so that with 4 added every candidate stays above every other token. Those keep the model's order,
        // for a grammar that allows no candidate.
        for (int id = 0; id < logits.Length; id++)
        {
            if (logits[id] >= threshold)
                logits[id] += NextGumbel() + 4;
        }
    }

    // The lowest logit of a candidate: top-k first, then top-p among the rest, then min-p. Equal logits are included or excluded together.
    private float Threshold(ReadOnlySpan<float> logits)
    {
        float threshold = float.NegativeInfinity;
        if (_options.TopK > 0 && _options.TopK < logits.Length)
            threshold = TopKThreshold(logits, _options.TopK.Value);
        if (_options.TopP < 1)
            threshold = TopPThreshold(logits, threshold, _options.TopP.Value);
        if (_options.MinP > 0)
            threshold = Math.Max(threshold, TensorPrimitives.Max(logits) + (float)Math.Log(_options.MinP.Value));
        return threshold;
    }

    private static float TopKThreshold(ReadOnlySpan<float> logits, int k)
    {
        PriorityQueue<float, float> best = new(k);
        foreach (float logit in logits)
        {
            if (best.Count < k)
                best.Enqueue(logit, logit);
            else if (logit > best.Peek())
                best.EnqueueDequeue(logit, logit);
        }
        return best.Peek();
    }

    private static float TopPThreshold(ReadOnlySpan<float> logits, float threshold, double topP)
    {
        float max = TensorPrimitives.Max(logits);
        double total = 0;
        foreach (float logit in logits)
        {
            if (logit >= threshold)
                total += Math.Exp(logit - max);
        }

        // A token whose probability is less than an equal share of what top-p excludes cannot be in the set, so only the others are sorted.
        double least = total * (1 - topP) / logits.Length;
        float[] sorted = ArrayPool<float>.Shared.Rent(logits.Length);
        int count = 0;
        foreach (float logit in logits)
        {
            if (logit >= threshold && Math.Exp(logit - max) >= least)
                sorted[count++] = logit;
        }
        Array.Sort(sorted, 0, count);
        double sum = 0;
        int lowest = count;
        while (lowest > 0 && sum < topP * total)
            sum += Math.Exp(sorted[--lowest] - max);
        float result = sorted[lowest];
        ArrayPool<float>.Shared.Return(sorted);
        return result;
    }

    // −ln(−ln u) for u uniform in (0, 1).
    private float NextGumbel() => (float)-Math.Log(-Math.Log(((NextRandom() >> 11) + 0.5) * (1.0 / (1UL << 53))));

    private ulong NextRandom() => SplitMix64.Mix(_random += SplitMix64.Increment);
}
