namespace OnnxVlm.Server.Wire;

/// <summary>How far a prompt is read. Not OpenAI's; form and names are those of llama.cpp's server.</summary>
/// <param name="Total">Tokens of the prompt.</param>
/// <param name="Cache">Tokens that were in the cache already.</param>
/// <param name="Processed">Tokens that are read, those of the cache included.</param>
/// <param name="TimeMs">Milliseconds since the model began.</param>
internal sealed record PromptProgress(int Total, int Cache, int Processed, long TimeMs);
