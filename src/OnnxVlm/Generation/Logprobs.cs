using System.Numerics.Tensors;
using OnnxVlm.Prompting;

namespace OnnxVlm.Generation;

/// <summary>Log probabilities of tokens from logits.</summary>
internal static class Logprobs
{
    /// <summary>log Σ exp(x), so that a token's log probability is its logit minus this.</summary>
    /// <param name="logits">float [vocabulary].</param>
    public static double LogSumExp(ReadOnlySpan<float> logits)
    {
        double max = TensorPrimitives.Max(logits);
        double sum = 0;
        foreach (float logit in logits)
            sum += Math.Exp(logit - max);
        return max + Math.Log(sum);
    }

    /// <summary>The most probable tokens, best first; of equal ones the smaller id first.</summary>
    /// <param name="logits">float [vocabulary].</param>
    /// <param name="count">How many.</param>
    /// <param name="logSumExp">What <see cref="LogSumExp"/> gives for the logits.</param>
    /// <param name="vocabulary">Gives the bytes.</param>
    public static IReadOnlyList<TokenLogprob> Top(ReadOnlySpan<float> logits, int count, double logSumExp, Vocabulary vocabulary)
    {
        PriorityQueue<int, (float Logit, int NegativeId)> best = new();
        for (int id = 0; id < logits.Length; id++)
        {
            if (best.Count < count)
                best.Enqueue(id, (logits[id], -id));
            else if (count > 0)
                best.EnqueueDequeue(id, (logits[id], -id));
        }
        TokenLogprob[] top = new TokenLogprob[best.Count];
        for (int i = top.Length - 1; i >= 0; i--)
        {
            int id = best.Dequeue();
            top[i] = new TokenLogprob(id, vocabulary.BytesOf(id), logits[id] - logSumExp);
        }
        return top;
    }
}
