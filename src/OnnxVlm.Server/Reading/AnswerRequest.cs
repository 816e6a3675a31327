using Microsoft.Extensions.AI;

namespace OnnxVlm.Server.Reading;

/// <summary>A request that has been read and checked: what is asked of the model.</summary>
/// <param name="Model">Name of the model.</param>
/// <param name="Conversations">What the model reads; one, or for /v1/completions one for each prompt.</param>
/// <param name="Options">How it answers.</param>
internal sealed record AnswerRequest(string Model, IReadOnlyList<IReadOnlyList<ChatMessage>> Conversations, ChatOptions Options)
{
    /// <summary>Answers for each conversation.</summary>
    public int Count { get; init; } = 1;

    /// <summary>Whether a stream ends with the usage.</summary>
    public bool IncludeUsage { get; init; }

    /// <summary>Whether a stream tells how far the prompt is read.</summary>
    public bool ReturnProgress { get; init; }

    /// <summary>Whether the answer tells how long it took.</summary>
    public bool ReportsTimings { get; init; }

    /// <summary>Whether how far the prompt is read must be known.</summary>
    public bool NeedsProgress => ReturnProgress || ReportsTimings;

    /// <summary>Whether what the model has read before is used.</summary>
    public bool UsesCache { get; init; } = true;

    /// <summary>Number of answers in all.</summary>
    public int Choices => Conversations.Count * Count;

    /// <summary>The conversation of one of the answers.</summary>
    /// <param name="choice">Number of the answer, from 0.</param>
    public IReadOnlyList<ChatMessage> ConversationOf(int choice) => Conversations[choice / Count];

    /// <summary>The options of one of the answers: with a seed each one after the first has its own, so that they differ and can be had again.</summary>
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
