namespace OnnxVlm.Generation;

/// <summary>How far the reading of a prompt has come.</summary>
/// <param name="TokensRead">Tokens of the prompt that are read, those of images and of the cache included.</param>
/// <param name="TokenCount">Tokens of the prompt.</param>
/// <param name="CachedTokens">Tokens that were in the cache already.</param>
/// <param name="Elapsed">Time since the answer was asked for.</param>
public sealed record PrefillProgress(int TokensRead, int TokenCount, int CachedTokens, TimeSpan Elapsed);
