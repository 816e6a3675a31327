using OnnxVlm.Generation;

namespace OnnxVlm.Tests.Generation;

/// <summary>
/// Sampling written down a second time, in float64 and with sorting instead of thresholds: repetition penalty, presence and frequency penalty, bias, temperature, top-k, top-p,
/// min-p, then argmax of logit + Gumbel noise, the noise drawn for the candidates in the order of their ids.
/// </summary>
internal static class SamplingReference
{
    public static List<int> Choose(float[][] rows, int[] prompt, GenerationOptions options)
    {
        options = options.Over(null);
        List<int> answer = [];
        ulong state = (ulong)options.Seed!.Value;
        foreach (float[] row in rows)
        {
            double[] logits = [.. row.Select((x, id) => Shape(x, id, prompt, answer, options))];
            if (options.Temperature == 0)
            {
                answer.Add(Array.IndexOf(logits, logits.Max()));
                continue;
            }
            logits = [.. logits.Select(x => x / options.Temperature!.Value)];
            int best = -1;
            double bestScore = double.NegativeInfinity;
            foreach (int id in Candidates(logits, options).Order())
            {
                double score = logits[id] - Math.Log(-Math.Log(NextUniform(ref state)));
                if (score > bestScore)
                    (best, bestScore) = (id, score);
            }
            answer.Add(best);
        }
        return answer;
    }

    private static double Shape(double x, int id, int[] prompt, List<int> answer, GenerationOptions options)
    {
        if (prompt.Contains(id) || answer.Contains(id))
            x = x > 0 ? x / options.RepetitionPenalty!.Value : x * options.RepetitionPenalty!.Value;
        int count = answer.Count(token => token == id);
        if (count > 0)
            x -= options.PresencePenalty + (options.FrequencyPenalty * count);
        return x + options.LogitBias.GetValueOrDefault(id);
    }

    private static IEnumerable<int> Candidates(double[] logits, GenerationOptions options)
    {
        List<int> kept = [.. Enumerable.Range(0, logits.Length).OrderByDescending(id => logits[id])];
        if (options.TopK > 0)
            kept = [.. kept.Take(options.TopK!.Value)];
        if (options.TopP < 1)
        {
            double total = kept.Sum(id => Math.Exp(logits[id])), sum = 0;
            kept = [.. kept.TakeWhile(id =>
            {
                bool before = sum < options.TopP * total;
                sum += Math.Exp(logits[id]);
                return before;
            })];
        }
        return kept.Where(id => Math.Exp(logits[id]) >= options.MinP * Math.Exp(logits[kept[0]]));
    }

    // SplitMix64, 53 bits, never 0 or 1.
    private static double NextUniform(ref ulong state)
    {
        state = unchecked(state + 0x9E3779B97F4A7C15UL);
        ulong z = state;
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EBUL);
        z ^= z >> 31;
        return ((z >> 11) + 0.5) / (1UL << 53);
    }
}
