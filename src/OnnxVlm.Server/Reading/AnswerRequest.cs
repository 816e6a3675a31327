using Microsoft.Extensions.AI;

namespace OnnxVlm.Server.Reading;

/// <summary>A request that has been read and checked.</summary>
/// <param name="Model">Name of the model.</param>
/// <param name="Conversations">The model's input: one conversation, or for /v1/completions one for each prompt.</param>
/// <param name="Options">The options of the answers.</param>
internal sealed record AnswerRequest(string Model, IReadOnlyList<IReadOnlyList<ChatMessage>> Conversations, ChatOptions Options)
{
    /// <summary>Answers for each conversation.</summary>
    public int Count { get; init; } = 1;

    /// <summary>Whether a stream ends with the usage.</summary>
    public bool IncludeUsage { get; init; }

    /// <summary>Whether a stream reports the progress of the prompt.</summary>
    public bool ReturnProgress { get; init; }

    /// <summary>Whether the answer reports how long it took.</summary>
    public bool ReportsTimings { get; init; }

    /// <summary>Whether the progress of the prompt must be measured.</summary>
    public bool NeedsProgress => ReturnProgress || ReportsTimings;

    /// <summary>Whether the cache of past prompts is used.</summary>
    public bool UsesCache { get; init; } = true;

    /// <summary>Number of answers in all.</summary>
    public int Choices => Conversations.Count * Count;

    /// <summary>The conversation of one of the answers.</summary>
    /// <param name="choice">Number of the answer, from 0.</param>
    public IReadOnlyList<ChatMessage> ConversationOf(int choice) => Conversations[choice / Count];

    /// <summary>
    /// The options of one of the answers. With a seed, each answer after the first has its own, so that they differ and can be reproduced.
    /// </summary>
    /// <param name="choice">Number of the answer, from 0.</param>
    public ChatOptions OptionsOf(int choice)
    {
        if (choice % Count == 0 || Options.Seed is not { } seed)
            return Options;
        ChatOptions options = Options.Clone();
        options.Seed = unchecked(seed + (choice % Count));
        return options;
    }
}
