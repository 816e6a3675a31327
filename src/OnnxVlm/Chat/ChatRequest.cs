using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Chat;

/// <summary>A request in the form for the model: messages of text and images, and native options.</summary>
/// <param name="Messages">The conversation, including instructions and tools.</param>
/// <param name="Options">The options.</param>
/// <param name="Tools">The functions that the answer may call; null for none.</param>
/// <param name="IsPlain">Whether the model continues the contents without the chat template.</param>
internal sealed record ChatRequest(IReadOnlyList<ChatMessage> Messages, GenerationOptions Options, ToolSet? Tools, bool IsPlain)
{
    /// <summary>The options of the prompt.</summary>
    public PromptOptions Prompting { get; init; } = new();

    /// <summary>Whether the caller wants to see the reasoning.</summary>
    public bool ShowsReasoning { get; init; } = true;

    /// <summary>Converts a request; everything that can be refused before the model runs is refused here.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">The caller's options; not changed.</param>
    /// <param name="defaults">Values for options that are not set.</param>
    /// <param name="client">The client, for <see cref="ChatOptions.RawRepresentationFactory"/>.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="ArgumentException">Something cannot be honoured.</exception>
    public static ChatRequest Create(IEnumerable<ChatMessage> messages, ChatOptions? options, GenerationOptions defaults, IChatClient client, IChatModel model)
    {
        ToolSet? tools = ToolSet.Create(options);
        GenerationOptions generation = options is null ? defaults : ChatOptionsReader.Read(options, defaults, tools, client, model);
        bool isPlain = AdditionalOptions.IsPlainPrompt(options?.AdditionalProperties);
        if (isPlain && tools is not null)
            throw new ArgumentException(
                $"AdditionalProperties: {ChatProperties.PlainPrompt} does not go together with Tools, which the chat template presents; leave one out.",
                nameof(options));
        bool continues = AdditionalOptions.ContinuesFinalMessage(options?.AdditionalProperties);
        if (continues && isPlain)
            throw new ArgumentException(
                $"AdditionalProperties: {ChatProperties.PlainPrompt} does not go together with {ChatProperties.ContinueFinalMessage}; leave one out.",
                nameof(options));
        bool usesTools = model.UsesTools && !isPlain;
        bool? reasons = options?.Reasoning?.Effort is { } effort ? effort != ReasoningEffort.None : null;
        if (reasons == true && isPlain)
            throw new ArgumentException(
                $"AdditionalProperties: {ChatProperties.PlainPrompt} does not go together with Reasoning, which the chat template asks for; leave one out.",
                nameof(options));
        IReadOnlyList<ChatMessage> conversation = Conversation.Create(messages, options?.Instructions, tools, usesTools);
        if (continues && conversation[^1].Role != ChatRole.Assistant)
            throw new ArgumentException(
                $"AdditionalProperties: {ChatProperties.ContinueFinalMessage} needs a last message of the assistant, found one of the {conversation[^1].Role}.",
                nameof(options));
        return new ChatRequest(conversation, reasons == true ? generation with { Reasons = true } : generation, tools, isPlain)
        {
            Prompting = new PromptOptions
            {
                Reasons = reasons,
                Tools = usesTools ? tools?.Functions ?? [] : [],
                Variables = AdditionalOptions.TemplateVariables(options?.AdditionalProperties),
                ContinuesLastMessage = continues,
            },
            ShowsReasoning = options?.Reasoning?.Output is not ReasoningOutput.None,
        };
    }

    /// <summary>Lets a model build the prompt; images are decoded, which takes time.</summary>
    /// <param name="model">The model.</param>
    /// <param name="cancellationToken">Ends the building with <see cref="OperationCanceledException"/>.</param>
    public Prompt CreatePrompt(IChatModel model, CancellationToken cancellationToken = default) => IsPlain
        ? model.CreatePlainPrompt([.. Messages.SelectMany(message => message.Contents)], cancellationToken)
        : model.CreatePrompt(Messages, Prompting, cancellationToken);
}
