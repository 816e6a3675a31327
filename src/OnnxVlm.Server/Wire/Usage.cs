namespace OnnxVlm.Server.Wire;

/// <summary>Tokens of a request; of several answers the prompt counts once.</summary>
internal sealed record Usage(long PromptTokens, long CompletionTokens, long TotalTokens, PromptTokensDetails PromptTokensDetails);

/// <summary>Tokens of the prompt that were in the cache already, and those that belong to images.</summary>
internal sealed record PromptTokensDetails(long CachedTokens, long ImageTokens);
