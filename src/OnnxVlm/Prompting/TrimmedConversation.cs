using Microsoft.Extensions.AI;

namespace OnnxVlm.Prompting;

/// <summary>A conversation cut to a budget.</summary>
/// <param name="Messages">What is left, in order.</param>
/// <param name="Dropped">What was dropped, in order; empty where all fits.</param>
/// <param name="TokenCount">Tokens of the prompt for <paramref name="Messages"/>.</param>
public sealed record TrimmedConversation(IReadOnlyList<ChatMessage> Messages, IReadOnlyList<ChatMessage> Dropped, int TokenCount);
