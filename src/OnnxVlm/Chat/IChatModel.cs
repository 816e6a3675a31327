using Microsoft.Extensions.AI;
using OnnxVlm.Chat.Tools;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Chat;

/// <summary>What the chat client needs from a model. <see cref="VlmModel"/> implements it; tests use a scripted model.</summary>
internal interface IChatModel
{
    /// <summary>Name of the model, as <see cref="ChatOptions.ModelId"/> gives it.</summary>
    string Id { get; }

    /// <summary>The notation of the model's function calls.</summary>
    IToolSyntax ToolSyntax => HermesSyntax.Instance;

    /// <summary>Whether the model can be asked to reason before it answers.</summary>
    bool CanReason => false;

    /// <inheritdoc cref="VlmModel.CreatePrompt(IEnumerable{ChatMessage})"/>
    Prompt CreatePrompt(IEnumerable<ChatMessage> messages);

    /// <summary>Whether the model's chat template declares tools, and writes calls and their results.</summary>
    bool UsesTools => false;

    /// <inheritdoc cref="VlmModel.CreatePrompt(IEnumerable{ChatMessage}, PromptOptions, CancellationToken)"/>
    Prompt CreatePrompt(IEnumerable<ChatMessage> messages, PromptOptions options, CancellationToken cancellationToken) => CreatePrompt(messages);

    /// <inheritdoc cref="VlmModel.CreatePlainPrompt"/>
    Prompt CreatePlainPrompt(IReadOnlyList<AIContent> contents, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="VlmModel.GenerateAsync"/>
    IAsyncEnumerable<GenerationUpdate> GenerateAsync(Prompt prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default);
}
