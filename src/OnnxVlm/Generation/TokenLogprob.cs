namespace OnnxVlm.Generation;

/// <summary>A token's log probability: log-softmax of the model's raw logits, before penalties, bias, temperature and grammar.</summary>
/// <param name="TokenId">The token.</param>
/// <param name="Bytes">Its UTF-8 bytes, possibly only a part of a character; empty for a special token.</param>
/// <param name="Logprob">Natural logarithm of the probability, at most 0.</param>
public sealed record TokenLogprob(int TokenId, ReadOnlyMemory<byte> Bytes, double Logprob);
