using System.Numerics.Tensors;
using OnnxVlm.Prompting;

namespace OnnxVlm.Generation;

/// <summary>The model's logits for one token, before penalties, bias, temperature and grammar, as log probabilities.</summary>
internal sealed class RawLogits
{
    private readonly float[] _logits;
    private readonly Vocabulary _vocabulary;
    private readonly double _logSumExp;

    /// <summary>Takes the logits.</summary>
    /// <param name="logits">float [vocabulary]; not copied.</param>
    /// <param name="vocabulary">Knows the bytes of a token.</param>
    public RawLogits(float[] logits, Vocabulary vocabulary)
    {
        _logits = logits;
        _vocabulary = vocabulary;
        double max = TensorPrimitives.Max(logits);
        double sum = 0;
        foreach (float logit in logits)
            sum += Math.Exp(logit - max);
        _logSumExp = max + Math.Log(sum);
    }

    /// <summary>A token's log probability.</summary>
    /// <param name="tokenId">The token.</param>
    public TokenLogprob LogprobOf(int tokenId) => new(tokenId, _vocabulary.BytesOf(tokenId), _logits[tokenId] - _logSumExp);

    /// <summary>The most probable tokens, best first; if probabilities are equal, the smaller id first.</summary>
    /// <param name="count">How many.</param>
    public IReadOnlyList<TokenLogprob> Top(int count)
    {
        PriorityQueue<int, (float Logit, int NegativeId)> best = new();
        for (int id = 0; id < _logits.Length && count > 0; id++)
        {
            if (best.Count < count)
                best.Enqueue(id, (_logits[id], -id));
            else
                best.EnqueueDequeue(id, (_logits[id], -id));
        }
        TokenLogprob[] top = new TokenLogprob[best.Count];
        for (int i = top.Length - 1; i >= 0; i--)
            top[i] = LogprobOf(best.Dequeue());
        return top;
    }
}
