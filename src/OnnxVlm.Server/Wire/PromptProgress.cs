namespace OnnxVlm.Server.Wire;

/// <summary>The progress of a prompt. Not part of OpenAI's API; form and names are those of llama.cpp's server.</summary>
/// <param name="Total">Tokens of the prompt.</param>
/// <param name="Cache">Tokens that were in the cache already.</param>
/// <param name="Processed">Tokens read so far, including those from the cache.</param>
/// <param name="TimeMs">Milliseconds since the model started.</param>
internal sealed record PromptProgress(int Total, int Cache, int Processed, long TimeMs);
