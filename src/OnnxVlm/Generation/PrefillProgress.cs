namespace OnnxVlm.Generation;

/// <summary>The progress of reading a prompt.</summary>
/// <param name="TokensRead">Tokens of the prompt that have been read, including those of images and of the cache.</param>
/// <param name="TokenCount">Tokens of the prompt.</param>
/// <param name="CachedTokens">Tokens that were already in the cache.</param>
/// <param name="Elapsed">Time since the answer was requested.</param>
public sealed record PrefillProgress(int TokensRead, int TokenCount, int CachedTokens, TimeSpan Elapsed);
