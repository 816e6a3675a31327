using Microsoft.Extensions.AI;
using OnnxVlm.Generation;

namespace OnnxVlm.Chat;

/// <summary>
/// Converts <see cref="ChatOptions"/> to <see cref="GenerationOptions"/>: each field is honoured, or refused with its name and what to do.
/// </summary>
internal static class ChatOptionsReader
{
    /// <summary>Reads the options.</summary>
    /// <param name="options">The caller's options.</param>
    /// <param name="defaults">Values for options that are not set.</param>
    /// <param name="tools">The tools of the request, or null.</param>
    /// <param name="client">The client, for the factory.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="ArgumentException">A field cannot be honoured.</exception>
    public static GenerationOptions Read(ChatOptions options, GenerationOptions defaults, ToolSet? tools, IChatClient client, IChatModel model)
    {
        RefuseUnsupported(options, model.Id, model.CanReason);
        GenerationOptions start = options.RawRepresentationFactory?.Invoke(client) switch
        {
            null => defaults,
            GenerationOptions native => native,
            object other => throw Refused($"RawRepresentationFactory: expected {nameof(GenerationOptions)} or null, found {other.GetType().Name}."),
        };
        GenerationOptions result = start with
        {
            MaxNewTokens = options.MaxOutputTokens ?? start.MaxNewTokens,
            Temperature = options.Temperature ?? start.Temperature,
            TopP = options.TopP ?? start.TopP,
            TopK = options.TopK ?? start.TopK,
            Seed = options.Seed ?? start.Seed,
            PresencePenalty = options.PresencePenalty ?? start.PresencePenalty,
            FrequencyPenalty = options.FrequencyPenalty ?? start.FrequencyPenalty,
            StopSequences = options.StopSequences is { Count: > 0 } stops ? [.. start.StopSequences, .. stops] : start.StopSequences,
        };
        if (options.AdditionalProperties is { Count: > 0 } more)
            result = AdditionalOptions.Apply(more, result);
        return result with { Guidance = ChooseGuidance(options, result.Guidance, start.Guidance, tools, model) };
    }

    private static void RefuseUnsupported(ChatOptions options, string modelId, bool canReason)
    {
        if (options.ModelId is { } asked && asked != modelId)
            throw Refused($"ModelId: this client has the model \"{modelId}\" and not \"{asked}\"; leave ModelId out or use that model's client.");
        if (options.ConversationId is not null)
            throw Refused("ConversationId: the client keeps no conversations; leave it out and send all messages each time.");
#pragma warning disable MEAI001 // Experimental fields of ChatOptions, which are refused.
        if (options.AllowBackgroundResponses == true || options.ContinuationToken is not null)
            throw Refused("AllowBackgroundResponses, ContinuationToken: answers run in the foreground only; leave both out.");
#pragma warning restore MEAI001
        if (canReason && options.Reasoning is { Output: ReasoningOutput.Summary })
            throw Refused("Reasoning: the model's reasoning is not summarized; ask for Full or None.");
        if (!canReason && options.Reasoning is not (null or { Effort: null or ReasoningEffort.None, Output: null or ReasoningOutput.None }))
            throw Refused("Reasoning: the model has no reasoning to set; leave it out.");
    }

    // At most one grammar: the answer's own, or the one of the function calls, which includes a JSON schema of the answer.
    private static Guidance? ChooseGuidance(ChatOptions options, Guidance? chosen, Guidance? native, ToolSet? tools, IChatModel model)
    {
        Guidance? schema = options.ResponseFormat switch
        {
            null or ChatResponseFormatText => null,
            ChatResponseFormatJson { Schema: { } described } => Guidance.JsonSchema(described, "ResponseFormat: schema"),
            ChatResponseFormatJson => Guidance.JsonSchema("""{"type":"object"}"""),
            ChatResponseFormat other => throw Refused($"ResponseFormat: expected text, JSON or a JSON schema, found {other.GetType().Name}."),
        };
        bool ownGrammar = !ReferenceEquals(chosen, native);
        if (schema is not null && ownGrammar)
            throw Refused($"ResponseFormat is JSON and {ChatProperties.Regex} or {ChatProperties.LarkGrammar} is set; the answer can follow one of them only.");
        Guidance? answer = schema ?? chosen;
        if (tools is null)
            return answer;
        if (schema is null && answer is not null)
            throw Refused("Tools do not go together with a regular expression or a grammar for the answer; leave one out, or set ResponseFormat.");
        return model.ToolSyntax.CreateGrammar(tools, answer);
    }

    private static ArgumentException Refused(string message) => new(message);
}
