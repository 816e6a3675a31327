namespace OnnxVlm.Generation;

/// <summary>A text that an answer could be, and how probable the model finds it.</summary>
/// <param name="Text">The text.</param>
/// <param name="Probability">Its share among the choices, 0 to 1; those of all choices sum to 1.</param>
/// <param name="Logprob">Natural logarithm of the probability that the model answers with this text and ends there.</param>
/// <param name="TokenCount">Tokens of the text, its end not counted.</param>
public sealed record ScoredChoice(string Text, double Probability, double Logprob, int TokenCount);
