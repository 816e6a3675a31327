using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Chat;

/// <summary>A request as the model takes it: messages of text and images, and native options.</summary>
/// <param name="Messages">The conversation, instructions and tools written into it.</param>
/// <param name="Options">The options.</param>
/// <param name="HasTools">Whether the answer may be function calls.</param>
/// <param name="IsPlain">Whether the model continues the contents without the chat template.</param>
internal sealed record ChatRequest(IReadOnlyList<ChatMessage> Messages, GenerationOptions Options, bool HasTools, bool IsPlain)
{
    /// <summary>Whether the model is to reason before it answers.</summary>
    public bool Reasons { get; init; }

    /// <summary>Whether the caller wants to see the reasoning.</summary>
    public bool ShowsReasoning { get; init; } = true;

    /// <summary>Translates a request; everything that can be refused before the model runs is refused here.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">The caller's options; not changed.</param>
    /// <param name="defaults">What holds where the options say nothing.</param>
    /// <param name="client">The client, for <see cref="ChatOptions.RawRepresentationFactory"/>.</param>
    /// <param name="modelId">The model's name.</param>
    /// <param name="canReason">Whether the model can be asked to reason.</param>
    /// <exception cref="ArgumentException">Something cannot be honoured.</exception>
    public static ChatRequest Create(IEnumerable<ChatMessage> messages, ChatOptions? options, GenerationOptions defaults, IChatClient client, string modelId, bool canReason = false)
    {
        ToolSet? tools = ToolSet.Create(options);
        GenerationOptions generation = options is null ? defaults : ChatOptionsReader.Read(options, defaults, tools, client, modelId, canReason);
        bool isPlain = AdditionalOptions.IsPlainPrompt(options?.AdditionalProperties);
        if (isPlain && tools is not null)
            throw new ArgumentException($"AdditionalProperties: {ChatProperties.PlainPrompt} does not go together with Tools, which the chat template presents; leave one out.", nameof(options));
        bool reasons = options?.Reasoning?.Effort is not (null or ReasoningEffort.None);
        if (reasons && isPlain)
            throw new ArgumentException($"AdditionalProperties: {ChatProperties.PlainPrompt} does not go together with Reasoning, which the chat template asks for; leave one out.", nameof(options));
        if (reasons && generation.Guidance is not null)
            throw new ArgumentException("Reasoning does not go together with Tools, JSON or another grammar, which the whole answer follows; leave one out.", nameof(options));
        return new ChatRequest(Conversation.Create(messages, options?.Instructions, tools), generation, tools is not null, isPlain)
        {
            Reasons = reasons,
            ShowsReasoning = options?.Reasoning?.Output is not ReasoningOutput.None,
        };
    }

    /// <summary>Has a model build the prompt; images are decoded, which takes time.</summary>
    /// <param name="model">The model.</param>
    /// <param name="cancellationToken">Ends the building with <see cref="OperationCanceledException"/>.</param>
    public Prompt CreatePrompt(IChatModel model, CancellationToken cancellationToken = default) => IsPlain
        ? model.CreatePlainPrompt([.. Messages.SelectMany(message => message.Contents)], cancellationToken)
        : model.CreatePrompt(Messages, Reasons, cancellationToken);
}
