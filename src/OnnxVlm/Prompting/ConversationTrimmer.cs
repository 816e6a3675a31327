using Microsoft.Extensions.AI;

namespace OnnxVlm.Prompting;

/// <summary>
/// Trims a conversation to a budget of tokens. Whole turns are dropped, the oldest first. A turn is one or several consecutive messages of the user
/// and everything that answers them. System messages and the last turn, which holds the last message of the user, always stay.
/// </summary>
public static class ConversationTrimmer
{
    /// <summary>Drops as few turns as possible.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="maxTokens">The most tokens of the prompt, 1 or more.</param>
    /// <param name="count">Counts the tokens of a prompt; a prompt with fewer turns must not have more tokens.</param>
    /// <returns>The remaining messages, the dropped ones, and the number of tokens.</returns>
    /// <exception cref="ArgumentException">There is no message.</exception>
    /// <exception cref="PromptTooLongException">Even the last turn and the system messages alone do not fit.</exception>
    public static TrimmedConversation Trim(IEnumerable<ChatMessage> messages, int maxTokens, Func<IEnumerable<ChatMessage>, int> count)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, 1);
        ArgumentNullException.ThrowIfNull(count);
        ChatMessage[] all = [.. messages];
        if (all.Length == 0)
            throw new ArgumentException("There is no message; give at least one.", nameof(messages));

        int tokens = count(all);
        if (tokens <= maxTokens)
            return new TrimmedConversation(all, [], tokens);

        int[] turns = TurnOf(all);
        // The smallest number of dropped turns that fits is between these two.
        (int tooFew, int enough) = (0, turns.Max());
        tokens = count(Without(all, turns, enough));
        if (tokens > maxTokens)
        {
            throw new PromptTooLongException($"The last turn with the system messages has {tokens} tokens, and the budget is {maxTokens}. "
                + "Shorten the last message, use fewer or smaller images, or raise the budget.");
        }
        while (enough - tooFew > 1)
        {
            int middle = (tooFew + enough) / 2;
            int tokensThen = count(Without(all, turns, middle));
            if (tokensThen <= maxTokens)
                (enough, tokens) = (middle, tokensThen);
            else
                tooFew = middle;
        }
        return new TrimmedConversation(Without(all, turns, enough), [.. all.Where((_, i) => IsDropped(turns[i], enough))], tokens);
    }

    // The turn of each message, from 0; -1 for system messages.
    private static int[] TurnOf(ChatMessage[] messages)
    {
        int[] turns = new int[messages.Length];
        int turn = 0;
        ChatRole? previous = null;
        for (int i = 0; i < messages.Length; i++)
        {
            ChatRole role = messages[i].Role;
            if (role == ChatRole.System)
            {
                turns[i] = -1;
                continue;
            }
            if (role == ChatRole.User && previous is not null && previous != ChatRole.User)
                turn++;
            turns[i] = turn;
            previous = role;
        }
        return turns;
    }

    private static ChatMessage[] Without(ChatMessage[] messages, int[] turns, int dropped) => [.. messages.Where((_, i) => !IsDropped(turns[i], dropped))];

    private static bool IsDropped(int turn, int dropped) => turn >= 0 && turn < dropped;
}
