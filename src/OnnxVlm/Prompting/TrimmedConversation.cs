using Microsoft.Extensions.AI;

namespace OnnxVlm.Prompting;

/// <summary>A conversation trimmed to a budget.</summary>
/// <param name="Messages">The remaining messages, in order.</param>
/// <param name="Dropped">The dropped messages, in order; empty where everything fits.</param>
/// <param name="TokenCount">Tokens of the prompt for <paramref name="Messages"/>.</param>
public sealed record TrimmedConversation(IReadOnlyList<ChatMessage> Messages, IReadOnlyList<ChatMessage> Dropped, int TokenCount);
