using OnnxVlm.Generation;

namespace OnnxVlm.Chat;

/// <summary>Log probabilities of one token of an answer: <see cref="ChatProperties.Logprobs"/>.</summary>
/// <param name="Token">The token that was taken.</param>
/// <param name="Top">The most probable tokens, best first, as many as <see cref="ChatProperties.TopLogprobs"/> asked for.</param>
public sealed record TokenLogprobs(TokenLogprob Token, IReadOnlyList<TokenLogprob> Top);
