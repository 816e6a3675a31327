using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Prompting;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Models;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Ollama;

/// <summary>
/// Converts the bodies of /api/chat and /api/generate for <see cref="VlmChatClient"/>. Each field is honoured, or refused under its
/// path before anything runs.
/// </summary>
/// <param name="images">Reads images.</param>
/// <param name="tools">Reads tools.</param>
/// <param name="models">The models.</param>
/// <param name="limits">The service's limits.</param>
internal sealed class OllamaReader(ImageReader images, ToolReader tools, ModelPool models, ServerOptions limits)
{
    private const string Latest = ":latest";

    /// <summary>Reads a conversation.</summary>
    /// <param name="body">The body.</param>
    /// <param name="client">Who asks.</param>
    /// <exception cref="ApiException">Something cannot be honoured.</exception>
    public AnswerRequest Read(OllamaChatRequest body, string client)
    {
        (ModelEntry model, ChatOptions options, SchemaBudget schemas) = ReadShared(body);
        tools.Read(body.Tools, options, (param, tool) => ReadTool(param, tool, schemas));
        IReadOnlyList<OllamaMessage?> messages = body.Messages!;
        if (messages.Count > limits.MaxMessages)
            throw ApiException.Invalid("messages", $"at most {limits.MaxMessages} messages, found {messages.Count}.");
        RequestImages counted = images.For(client);
        List<ChatMessage> conversation = new(messages.Count);
        // Unanswered calls, oldest first: a tool message may name only the function.
        List<FunctionCallContent> open = [];
        for (int i = 0; i < messages.Count; i++)
            conversation.Add(ReadMessage($"messages[{i}]", messages[i], counted, open));
        return new AnswerRequest(model.Name, [conversation], options);
    }

    /// <summary>Reads a single question.</summary>
    /// <param name="body">The body.</param>
    /// <param name="client">Who asks.</param>
    /// <exception cref="ApiException">Something cannot be honoured.</exception>
    public AnswerRequest Read(OllamaGenerateRequest body, string client)
    {
        (ModelEntry model, ChatOptions options, _) = ReadShared(body);
        List<AIContent> contents = ReadImages("images", body.Images, images.For(client));
        contents.Add(new TextContent(body.Prompt!));
        if (body.Raw == true)
        {
            if (body.System is { Length: > 0 })
                throw ApiException.Invalid("system", "not together with raw; leave one of the two out.");
            options.AdditionalProperties![ChatProperties.PlainPrompt] = true;
        }
        options.Instructions = body.System;
        return new AnswerRequest(model.Name, [[new ChatMessage(ChatRole.User, contents)]], options);
    }

    /// <summary>Finds a model; Ollama's clients may append <c>:latest</c> to its name.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="ApiException">404: there is none of this name.</exception>
    public ModelEntry Find(string? name)
    {
        string required = ChatRequestReader.RequiredModel(name);
        return models.Entries.Any(entry => entry.Name == required) || !required.EndsWith(Latest, StringComparison.Ordinal)
            ? models.Find(required)
            : models.Find(required[..^Latest.Length]);
    }

    private (ModelEntry Model, ChatOptions Options, SchemaBudget Schemas) ReadShared(OllamaRequest body)
    {
        ModelEntry model = Find(body.Model);
        OllamaOptions given = body.Options ?? new OllamaOptions();
        if (body.Truncate == true || body.Shift == true)
            throw ApiException.Invalid(body.Truncate == true ? "truncate" : "shift", "nothing is left out in silence; leave it out and send what fits.");
        RefuseUnsupported(given, model);
        ChatOptions options = SamplingReader.Read(
            new OllamaSampling
            {
                Temperature = given.Temperature,
                TopK = given.TopK,
                TopP = given.TopP,
                MinP = given.MinP,
                RepetitionPenalty = given.RepeatPenalty,
                PresencePenalty = given.PresencePenalty,
                FrequencyPenalty = given.FrequencyPenalty,
                Seed = given.Seed,
            },
            ("options.num_predict", given.NumPredict is -1 or -2 ? model.ContextLength : given.NumPredict), limits);
        options.StopSequences = SamplingReader.ReadStops("options.stop", given.Stop, limits.MaxStops);
        SchemaBudget schemas = new(limits);
        options.ResponseFormat = ReadFormat(body.Format, schemas);
        options.Reasoning = ReadThink(body.Think);
        if (body.TopLogprobs is not null && body.Logprobs != true)
            throw ApiException.Invalid("top_logprobs", "set logprobs to true as well.");
        if (body.Logprobs == true)
            options.AdditionalProperties![ChatProperties.TopLogprobs] = (int?)SamplingReader.Within("top_logprobs", body.TopLogprobs, 0, 20) ?? 0;
        return (model, options, schemas);
    }

    private static void RefuseUnsupported(OllamaOptions options, ModelEntry model)
    {
        if (options.NumCtx > model.ContextLength)
            throw ApiException.Invalid("options.num_ctx", $"the model's context has {model.ContextLength} tokens; ask for no more.");
        if (options.RepeatLastN is not (null or -1 or 64))
            throw ApiException.Invalid("options.repeat_last_n", "a penalty looks at the whole context; give -1 or leave it out.");
        if (options.Mirostat is not (null or 0))
            throw ApiException.Invalid("options.mirostat", "not supported here; leave it out.");
        if (options.TypicalP is not (null or 1))
            throw ApiException.Invalid("options.typical_p", "not supported here; leave it out.");
    }

    private static ChatResponseFormatJson? ReadFormat(JsonElement format, SchemaBudget schemas)
    {
        switch (format.ValueKind)
        {
            case JsonValueKind.Undefined or JsonValueKind.Null:
            case JsonValueKind.String when format.GetString()!.Length == 0:
                return null;
            case JsonValueKind.String when format.GetString() == "json":
                return ChatResponseFormat.Json;
            case JsonValueKind.Object:
                schemas.Check("format", format);
                return ChatResponseFormat.ForJsonSchema(format);
            default:
                throw ApiException.Invalid("format", "expected json, or a JSON schema.");
        }
    }

    private static ReasoningOptions? ReadThink(JsonElement think) => think.ValueKind switch
    {
        JsonValueKind.Undefined or JsonValueKind.Null => null,
        JsonValueKind.True => ChatRequestReader.ReasoningOf("think", "medium"),
        JsonValueKind.False => ChatRequestReader.ReasoningOf("think", "none"),
        JsonValueKind.String => ChatRequestReader.ReasoningOf("think", think.GetString()),
        _ => throw ApiException.Invalid("think", "expected true, false, low, medium or high."),
    };

    private static AIFunctionDeclaration ReadTool(string param, OllamaTool? tool, SchemaBudget schemas) =>
        tool is { Type: null or "function", Function: { } function }
        ? ToolReader.Declare($"{param}.function", function.Name, function.Description, "parameters", function.Parameters, schemas)
        : throw ApiException.Invalid(param, "expected {\"type\": \"function\", \"function\": {…}}.");

    private static List<AIContent> ReadImages(string param, IReadOnlyList<string?>? encoded, RequestImages counted) =>
        [.. (encoded ?? []).Select(
            (image, i) => (AIContent)counted.ReadBase64($"{param}[{i}]", image ?? throw ApiException.Invalid($"{param}[{i}]", "expected base64.")))];

    private static ChatMessage ReadMessage(string param, OllamaMessage? message, RequestImages counted, List<FunctionCallContent> open)
    {
        if (message is null)
            throw ApiException.Invalid(param, "expected a message, found null.");
        ChatRole role = message.Role switch
        {
            "system" => ChatRole.System,
            "user" => ChatRole.User,
            "assistant" => ChatRole.Assistant,
            "tool" => ChatRole.Tool,
            _ => throw ApiException.Invalid($"{param}.role", "expected system, user, assistant or tool."),
        };
        if (role != ChatRole.Assistant && (message.Thinking is { Length: > 0 } || message.ToolCalls is { Count: > 0 }))
            throw ApiException.Invalid(message.Thinking is { Length: > 0 } ? $"{param}.thinking" : $"{param}.tool_calls", "only in an assistant message.");
        if (role != ChatRole.Tool && (message.ToolName ?? message.ToolCallId) is not null)
            throw ApiException.Invalid(message.ToolName is not null ? $"{param}.tool_name" : $"{param}.tool_call_id", "only in a tool message.");
        List<AIContent> contents = ReadImages($"{param}.images", message.Images, counted);
        if (message.Content is { Length: > 0 } text)
            contents.Add(new TextContent(text));
        if (role == ChatRole.Tool)
            return new ChatMessage(role, [new FunctionResultContent(TakeCall(message, open), contents)]);
        if (message.Thinking is { Length: > 0 } thinking)
            contents.Insert(0, new TextReasoningContent(thinking));
        foreach ((int i, OllamaCall? call) in (message.ToolCalls ?? []).Index())
        {
            if (call is not { Function: { Name: { Length: > 0 } name, Arguments.ValueKind: JsonValueKind.Object } function })
                throw ApiException.Invalid($"{param}.tool_calls[{i}]", "expected {\"function\": {\"name\": …, \"arguments\": {…}}}.");
            FunctionCallContent content = FunctionArguments.Parse(
                call.Id is { Length: > 0 } id ? id : $"call_{param}_{i}", name, function.Arguments.GetRawText());
            contents.Add(content);
            open.Add(content);
        }
        return new ChatMessage(role, contents);
    }

    private static string TakeCall(OllamaMessage message, List<FunctionCallContent> open)
    {
        int found = message.ToolCallId is { } id ? open.FindIndex(call => call.CallId == id)
            : message.ToolName is { } name ? open.FindIndex(call => call.Name == name)
            : open.Count > 0 ? 0 : -1;
        if (found < 0)
            return message.ToolCallId ?? message.ToolName ?? "call";
        string callId = open[found].CallId;
        open.RemoveAt(found);
        return callId;
    }

    private sealed record OllamaSampling : SamplingFields;
}
