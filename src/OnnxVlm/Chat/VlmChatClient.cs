using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat.Tools;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Chat;

/// <summary>
/// A model as an <see cref="IChatClient"/>, for code written against Microsoft.Extensions.AI and for its middleware.
/// <code>
/// using VlmModel model = VlmModel.Load("onnx-models/nano");
/// using VlmChatClient client = new(model);
/// ChatMessage message = new(ChatRole.User, [new DataContent(bytes, "image/png"), new TextContent("What does the text say?")]);
/// Console.WriteLine(await client.GetResponseAsync(message));
/// </code>
/// Every field of <see cref="ChatOptions"/> is honoured or refused with an exception, and so is every content of a message:
/// <list type="bullet">
/// <item>Images are <see cref="DataContent"/>, or a <see cref="UriContent"/> with a <c>data:</c> URI. Nothing is fetched from the network.</item>
/// <item>Tools are functions. A call comes whole, with a new call id and arguments that its JSON schema accepts; the caller or middleware invokes it.
/// What is written of it before stands under <see cref="ChatProperties.ToolCallDeltas"/>.</item>
/// <item><see cref="ChatOptions.Reasoning"/> is for models that reason: any effort but none asks for it, and it comes as
/// <see cref="TextReasoningContent"/> before the answer. What of it the model reads again in a conversation, its chat template decides.</item>
/// <item>There is no state between calls: <see cref="ChatOptions.ConversationId"/> is refused. What the model has read before it still does not read again, see
/// <see cref="VlmOptions.CacheBytes"/>.</item>
/// <item>What <see cref="ChatOptions"/> has no field for stands in <see cref="ChatOptions.AdditionalProperties"/> under the names of
/// <see cref="ChatProperties"/>, or in a <see cref="GenerationOptions"/> from <see cref="ChatOptions.RawRepresentationFactory"/>, which the other fields then
/// refine.</item>
/// </list>
/// Each update's <see cref="ChatResponseUpdate.RawRepresentation"/> is the <see cref="GenerationUpdate"/> it came from; the last one has the statistics.
/// Safe to use from several threads at once. Disposing the client does nothing: the model belongs to who loaded it.
/// </summary>
public sealed class VlmChatClient : IChatClient
{
    private readonly IChatModel _model;
    private readonly GenerationOptions _defaults;
    private readonly ChatClientMetadata _metadata;

    /// <summary>Creates a client of a model.</summary>
    /// <param name="model">The model; the caller disposes it after the client's last use.</param>
    /// <param name="defaults">The options of requests that set none; null for the defaults of <see cref="GenerationOptions"/>.</param>
    public VlmChatClient(VlmModel model, GenerationOptions? defaults = null)
        : this((IChatModel)model, defaults)
    {
    }

    internal VlmChatClient(IChatModel model, GenerationOptions? defaults = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _defaults = defaults ?? new GenerationOptions();
        _metadata = new ChatClientMetadata("onnxvlm", defaultModelId: model.Id);
    }

    /// <summary>Answers a conversation: the updates of <see cref="GetStreamingResponseAsync"/>, combined.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How to answer; never changed. Null for the defaults.</param>
    /// <param name="cancellationToken">Ends the answer with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The answer.</returns>
    /// <exception cref="ArgumentException">An option or a content cannot be honoured; the message says which and what to do.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    /// <exception cref="PromptTooLongException">The conversation does not fit into the context.</exception>
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return FoldAsync(StreamAsync(ChatRequest.Create(messages, options, _defaults, this, _model), cancellationToken));
    }

    /// <summary>Answers a conversation as it is generated.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How to answer; never changed. Null for the defaults.</param>
    /// <param name="cancellationToken">Ends the answer with <see cref="OperationCanceledException"/>.</param>
    /// <returns>Text as soon as it is certain, whole calls, and last the finish reason with the usage. Leaving the loop early frees the sequence.</returns>
    /// <exception cref="ArgumentException">An option or a content cannot be honoured; the message says which and what to do.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    /// <exception cref="PromptTooLongException">The conversation does not fit into the context.</exception>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return StreamAsync(ChatRequest.Create(messages, options, _defaults, this, _model), cancellationToken);
    }

    /// <summary>
    /// Answers a conversation with a value of a type. It does what Microsoft.Extensions.AI's method with the same name does for any client, but with
    /// a grammar as narrow as the type. The library's schema of a <see cref="byte"/> or a byte array, of an enum of flags and of a dictionary's keys
    /// is wider than what System.Text.Json reads.
    /// </summary>
    /// <typeparam name="T">The type.</typeparam>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How to answer; never changed. Null for the defaults.</param>
    /// <param name="useJsonSchemaResponseFormat">Null or true: the answer follows the type's schema. False: the schema is only in the prompt.</param>
    /// <param name="cancellationToken">Ends the answer with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The answer, with <see cref="ChatResponse{T}.Result"/>; reading that fails where the answer was cut off.</returns>
    /// <exception cref="ArgumentException">The type, or one in it, has no JSON form; or as above.</exception>
    public Task<ChatResponse<T>> GetResponseAsync<T>(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, bool? useJsonSchemaResponseFormat = null,
        CancellationToken cancellationToken = default) =>
        GetResponseAsync<T>(messages, AIJsonUtilities.DefaultOptions, options, useJsonSchemaResponseFormat, cancellationToken);

    /// <summary>The same, for a single message of text.</summary>
    /// <typeparam name="T">The type.</typeparam>
    /// <param name="chatMessage">The text.</param>
    /// <param name="options">How to answer; never changed. Null for the defaults.</param>
    /// <param name="useJsonSchemaResponseFormat">Null or true: the answer follows the type's schema. False: the schema is only in the prompt.</param>
    /// <param name="cancellationToken">Ends the answer with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The answer, with <see cref="ChatResponse{T}.Result"/>; reading that fails where the answer was cut off.</returns>
    /// <exception cref="ArgumentException">The type, or one in it, has no JSON form; or as above.</exception>
    public Task<ChatResponse<T>> GetResponseAsync<T>(
        string chatMessage, ChatOptions? options = null, bool? useJsonSchemaResponseFormat = null, CancellationToken cancellationToken = default) =>
        GetResponseAsync<T>(
            [new ChatMessage(ChatRole.User, chatMessage)], AIJsonUtilities.DefaultOptions, options, useJsonSchemaResponseFormat, cancellationToken);

    /// <summary>The same, for a single message.</summary>
    /// <typeparam name="T">The type.</typeparam>
    /// <param name="chatMessage">The message.</param>
    /// <param name="options">How to answer; never changed. Null for the defaults.</param>
    /// <param name="useJsonSchemaResponseFormat">Null or true: the answer follows the type's schema. False: the schema is only in the prompt.</param>
    /// <param name="cancellationToken">Ends the answer with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The answer, with <see cref="ChatResponse{T}.Result"/>; reading that fails where the answer was cut off.</returns>
    /// <exception cref="ArgumentException">The type, or one in it, has no JSON form; or as above.</exception>
    public Task<ChatResponse<T>> GetResponseAsync<T>(
        ChatMessage chatMessage, ChatOptions? options = null, bool? useJsonSchemaResponseFormat = null, CancellationToken cancellationToken = default) =>
        GetResponseAsync<T>([chatMessage], AIJsonUtilities.DefaultOptions, options, useJsonSchemaResponseFormat, cancellationToken);

    /// <summary>The same, for a type that is read with the caller's options.</summary>
    /// <typeparam name="T">The type.</typeparam>
    /// <param name="messages">The conversation.</param>
    /// <param name="serializerOptions">How the type is described and read.</param>
    /// <param name="options">How to answer; never changed. Null for the defaults.</param>
    /// <param name="useJsonSchemaResponseFormat">Null or true: the answer follows the type's schema. False: the schema is only in the prompt.</param>
    /// <param name="cancellationToken">Ends the answer with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The answer, with <see cref="ChatResponse{T}.Result"/>; reading that fails where the answer was cut off.</returns>
    /// <exception cref="ArgumentException">The type, or one in it, has no JSON form; or as above.</exception>
    public Task<ChatResponse<T>> GetResponseAsync<T>(
        IEnumerable<ChatMessage> messages, JsonSerializerOptions serializerOptions, ChatOptions? options = null, bool? useJsonSchemaResponseFormat = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(serializerOptions);
        TypedClient typed = new(this, typeof(T), serializerOptions);
        return typed.GetResponseAsync<T>(messages, serializerOptions, options, useJsonSchemaResponseFormat, cancellationToken);
    }

    /// <summary>The prompt that the model would read, for counting its tokens and for looking at it.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How it would be answered; never changed. Null for the defaults.</param>
    /// <param name="cancellationToken">Ends the building with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The prompt.</returns>
    /// <exception cref="ArgumentException">An option or a content cannot be honoured; the message says which and what to do.</exception>
    /// <exception cref="ChatTemplateException">The model's chat template refuses the conversation.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    public Prompt CreatePrompt(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return ChatRequest.Create(messages, options, _defaults, this, _model).CreatePrompt(_model, cancellationToken);
    }

    /// <summary>Returns <see cref="ChatClientMetadata"/>, this client, or the <see cref="VlmModel"/>.</summary>
    /// <param name="serviceType">The type of the service.</param>
    /// <param name="serviceKey">With a key, the result is null.</param>
    /// <returns>The object, or null.</returns>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        if (serviceType == typeof(ChatClientMetadata))
            return _metadata;
        return serviceType.IsInstanceOfType(this) ? this : serviceType.IsInstanceOfType(_model) ? _model : null;
    }

    /// <summary>Does nothing: the model belongs to its loader.</summary>
    public void Dispose()
    {
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(ChatRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string responseId = $"resp_{Guid.NewGuid():N}", messageId = $"msg_{Guid.NewGuid():N}";
        DateTimeOffset createdAt = DateTimeOffset.UtcNow;
        IToolCallReader? calls = request.Tools is { } tools ? _model.ToolSyntax.CreateReader(tools) : null;
        bool isAfterReasoning = false;
        bool called = false;

        // Images are decoded here, which is too much work for the caller's thread.
        Prompt prompt = await Task.Run(() => request.CreatePrompt(_model, cancellationToken), cancellationToken).ConfigureAwait(false);
        await foreach (GenerationUpdate update in _model.GenerateAsync(prompt, request.Options, cancellationToken).ConfigureAwait(false))
        {
            bool isLast = update.FinishReason is not null;
            string text = update.IsReasoning ? "" : update.Text;
            // Templates put line breaks between reasoning and answer.
            isAfterReasoning |= update.IsReasoning;
            if (isAfterReasoning && !update.IsReasoning)
            {
                text = text.TrimStart('\n');
                isAfterReasoning = text.Length == 0;
            }
            List<ToolCallDelta> deltas = [];
            List<AIContent> contents = calls is not null ? calls.Read(text, update.TokenId, isLast, deltas) : text.Length > 0 ? [new TextContent(text)] : [];
            if (update.IsReasoning && request.ShowsReasoning && update.Text.Length > 0)
                contents.Insert(0, new TextReasoningContent(update.Text));
            called |= contents.Exists(content => content is FunctionCallContent);
            if (update.Statistics is not null)
                contents.Add(new UsageContent(ToUsage(update.Statistics)));
            if (contents.Count == 0 && deltas.Count == 0 && update.Logprob is null && !isLast)
                continue;
            AdditionalPropertiesDictionary more = [];
            if (update.Logprob is { } logprob)
                more[ChatProperties.Logprobs] = new TokenLogprobs[] { new(logprob, update.TopLogprobs) };
            if (deltas.Count > 0)
                more[ChatProperties.ToolCallDeltas] = deltas.ToArray();
            yield return new ChatResponseUpdate(ChatRole.Assistant, contents)
            {
                ResponseId = responseId,
                MessageId = messageId,
                ModelId = _model.Id,
                CreatedAt = createdAt,
                FinishReason = ToFinishReason(update.FinishReason, called),
                RawRepresentation = update,
                AdditionalProperties = more.Count > 0 ? more : null,
            };
        }
    }

    private static async Task<ChatResponse> FoldAsync(IAsyncEnumerable<ChatResponseUpdate> stream)
    {
        List<ChatResponseUpdate> updates = [];
        List<TokenLogprobs> logprobs = [];
        await foreach (ChatResponseUpdate update in stream.ConfigureAwait(false))
        {
            // If several updates had the property, combining them would keep only the last one.
            if (update.AdditionalProperties?.Remove(ChatProperties.Logprobs, out object? token) == true)
                logprobs.AddRange((TokenLogprobs[])token!);
            // There is nothing to add for complete calls.
            update.AdditionalProperties?.Remove(ChatProperties.ToolCallDeltas);
            updates.Add(update);
        }
        ChatResponse response = updates.ToChatResponse();
        response.RawRepresentation = updates[^1].RawRepresentation;
        if (logprobs.Count > 0)
            (response.AdditionalProperties ??= [])[ChatProperties.Logprobs] = logprobs.ToArray();
        return response;
    }

    private static ChatFinishReason? ToFinishReason(FinishReason? reason, bool called) => reason switch
    {
        null => null,
        FinishReason.Length => ChatFinishReason.Length,
        _ => called ? ChatFinishReason.ToolCalls : ChatFinishReason.Stop,
    };

    private static UsageDetails ToUsage(GenerationStatistics statistics)
    {
        AdditionalPropertiesDictionary<long> counts = new() { [ChatProperties.ImageTokens] = statistics.ImageTokens };
        if (statistics.TransparentImages > 0)
            counts[ChatProperties.TransparentImages] = statistics.TransparentImages;
        if (statistics.ShrunkImages > 0)
            counts[ChatProperties.ShrunkImages] = statistics.ShrunkImages;
        return new UsageDetails
        {
            InputTokenCount = statistics.PromptTokens,
            OutputTokenCount = statistics.GeneratedTokens,
            TotalTokenCount = statistics.PromptTokens + statistics.GeneratedTokens,
            CachedInputTokenCount = statistics.CachedTokens,
            AdditionalCounts = counts,
        };
    }
}
