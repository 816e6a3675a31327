using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Prompting;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Messages;

/// <summary>
/// The body of /v1/messages to what <see cref="VlmChatClient"/> takes. Each field is honoured, or refused under its path before anything runs.
/// </summary>
/// <param name="requests">Reads parts.</param>
/// <param name="images">Reads images.</param>
/// <param name="tools">Reads tools.</param>
/// <param name="limits">The service's limits.</param>
internal sealed class MessagesReader(RequestReader requests, ImageReader images, ToolReader tools, ServerOptions limits)
{
    /// <summary>Reads a request.</summary>
    /// <param name="body">The body.</param>
    /// <param name="context">Who asks.</param>
    /// <param name="isCount">Whether only its tokens are counted, so that it need not say how many the answer may have.</param>
    /// <exception cref="ApiException">Something cannot be honoured.</exception>
    public async Task<AnswerRequest> ReadAsync(MessagesRequest body, HttpContext context, bool isCount = false)
    {
        string model = ChatRequestReader.RequiredModel(body.Model);
        if (body.MaxTokens is null && !isCount)
            throw ApiException.Invalid("max_tokens", "say how many tokens the answer may have.");
        ChatOptions options = SamplingReader.Read(
            new MessagesSampling { Temperature = body.Temperature, TopP = body.TopP, TopK = body.TopK }, ("max_tokens", body.MaxTokens), limits);
        options.StopSequences = SamplingReader.ReadStops("stop_sequences", body.StopSequences, limits.MaxStops);
        SchemaBudget schemas = new(limits);
        ReadFormat(body, options, schemas);
        ReadThinking(body.Thinking, options);
        tools.Read(body.Tools, options, (param, tool) => ReadTool(param, tool, schemas));
        ReadChoice(body.ToolChoice, options);
        ToolReader.CheckChoice(options);
        List<ChatMessage> conversation = await ReadMessagesAsync(body, context).ConfigureAwait(false);
        if (conversation[^1].Role == ChatRole.Assistant)
            options.AdditionalProperties![ChatProperties.ContinueFinalMessage] = true;
        return new AnswerRequest(model, [conversation], options) { ReturnProgress = true };
    }

    private static void ReadFormat(MessagesRequest body, ChatOptions options, SchemaBudget schemas)
    {
        if (body.OutputConfig?.Format is not null && body.OutputFormat is not null)
            throw ApiException.Invalid("output_format", "output_config has a format too; leave one out.");
        if ((body.OutputConfig?.Format ?? body.OutputFormat) is not { } format)
            return;
        string param = body.OutputFormat is null ? "output_config.format" : "output_format";
        if (format.Type != "json_schema")
            throw ApiException.Invalid($"{param}.type", "expected json_schema.");
        schemas.Check($"{param}.schema", format.Schema);
        options.ResponseFormat = ChatResponseFormat.ForJsonSchema(format.Schema);
    }

    private static void ReadThinking(MessagesThinking? thinking, ChatOptions options)
    {
        if (thinking is null)
            return;
        options.Reasoning = new ReasoningOptions
        {
            Effort = thinking.Type switch
            {
                "enabled" or "adaptive" => ReasoningEffort.Medium,
                "disabled" => ReasoningEffort.None,
                _ => throw ApiException.Invalid("thinking.type", "expected enabled, adaptive or disabled."),
            },
            Output = thinking.Display switch
            {
                null or "summarized" => null,
                "omitted" => ReasoningOutput.None,
                _ => throw ApiException.Invalid("thinking.display", "expected summarized or omitted."),
            },
        };
        SamplingReader.Within("thinking.budget_tokens", thinking.BudgetTokens, 1, int.MaxValue);
    }

    private static AIFunctionDeclaration ReadTool(string param, MessagesTool? tool, SchemaBudget schemas) => tool is { Type: null or "custom" }
        ? ToolReader.Declare(param, tool.Name, tool.Description, "input_schema", tool.InputSchema, schemas)
        : throw ApiException.Invalid($"{param}.type", "only tools of the client can be called here; expected {\"name\": …, \"input_schema\": …}.");

    private static void ReadChoice(MessagesToolChoice? choice, ChatOptions options)
    {
        if (choice is null)
            return;
        options.ToolMode = choice.Type switch
        {
            "auto" => ChatToolMode.Auto,
            "any" => ChatToolMode.RequireAny,
            "none" => ChatToolMode.None,
            "tool" when choice.Name is { Length: > 0 } name => ChatToolMode.RequireSpecific(name),
            _ => throw ApiException.Invalid("tool_choice", "expected {\"type\": \"auto\"}, any, none, or {\"type\": \"tool\", \"name\": …}."),
        };
        if (choice.Name is not null && choice.Type != "tool")
            throw ApiException.Invalid("tool_choice.name", "only with the type tool.");
        options.AllowMultipleToolCalls = choice.DisableParallelToolUse is { } disabled ? !disabled : null;
    }

    private async Task<List<ChatMessage>> ReadMessagesAsync(MessagesRequest body, HttpContext context)
    {
        if (body.Messages is not { Count: > 0 } messages)
            throw ApiException.Invalid("messages", "expected an array of one message or more.");
        if (messages.Count > limits.MaxMessages)
            throw ApiException.Invalid("messages", $"at most {limits.MaxMessages} messages, found {messages.Count}.");
        RequestImages counted = images.For(ClientKey.ClientOf(context));
        List<ChatMessage> conversation = [];
        if (SamplingReader.IsGiven(body.System))
            conversation.Add(new ChatMessage(
                ChatRole.System, await ReadBlocksAsync("system", body.System, counted, context.RequestAborted, textOnly: true).ConfigureAwait(false)));
        for (int i = 0; i < messages.Count; i++)
        {
            string param = $"messages[{i}]";
            MessagesMessage message = messages[i] ?? throw ApiException.Invalid(param, "expected a message, found null.");
            ChatRole role = message.Role switch
            {
                "user" => ChatRole.User,
                "assistant" => ChatRole.Assistant,
                _ => throw ApiException.Invalid($"{param}.role", "expected user or assistant; a system message is the field system."),
            };
            List<AIContent> contents = await ReadBlocksAsync($"{param}.content", message.Content, counted, context.RequestAborted).ConfigureAwait(false);
            if (role == ChatRole.Assistant
                ? contents.FindIndex(content => content is FunctionResultContent) is var wrong and >= 0
                : (wrong = contents.FindIndex(content => content is FunctionCallContent or TextReasoningContent)) >= 0)
                throw ApiException.Invalid(
                    $"{param}.content[{wrong}].type",
                    role == ChatRole.Assistant
                        ? "a tool_result belongs into a message of the user."
                        : "tool_use and thinking belong into a message of the assistant.");
            // What calls gave is a message of its own to the model, and what the user says comes behind it.
            AIContent[] results = [.. contents.Where(content => content is FunctionResultContent)];
            AIContent[] others = [.. contents.Where(content => content is not FunctionResultContent)];
            conversation.AddRange(results.Select(result => new ChatMessage(ChatRole.Tool, [result])));
            if (others.Length > 0 || results.Length == 0)
                conversation.Add(new ChatMessage(role, [.. others]));
        }
        return conversation;
    }

    private async Task<List<AIContent>> ReadBlocksAsync(
        string param, JsonElement content, RequestImages counted, CancellationToken cancellationToken, bool textOnly = false)
    {
        if (content.ValueKind == JsonValueKind.String)
            return [new TextContent(content.GetString()!)];
        if (content.ValueKind != JsonValueKind.Array)
            throw ApiException.Invalid(param, "expected a text or an array of blocks.");
        List<AIContent> contents = [];
        foreach ((int i, JsonElement block) in content.EnumerateArray().Index())
        {
            string where = $"{param}[{i}]", kind = RequestReader.KindOf(where, block);
            if (textOnly && kind != "text")
                throw ApiException.Invalid($"{where}.type", "expected text.");
            if (await ReadBlockAsync(where, kind, block, counted, cancellationToken).ConfigureAwait(false) is { } read)
                contents.Add(read);
        }
        return contents;
    }

    private async Task<AIContent?> ReadBlockAsync(string where, string kind, JsonElement block, RequestImages counted, CancellationToken cancellationToken)
    {
        switch (kind)
        {
            case "text":
                return new TextContent(
                    requests.ReadPart(where, block, WireJson.Relaxed.MessagesTextBlock).Text
                    ?? throw ApiException.Invalid($"{where}.text", "the block has no text."));
            case "image":
                return requests.ReadPart(where, block, WireJson.Relaxed.MessagesImageBlock).Source switch
                {
                    { Type: "base64", Data: { } data, Url: null } => counted.ReadBase64($"{where}.source.data", data),
                    { Type: "url", Url: { } url, Data: null } => await counted.ReadUrlAsync($"{where}.source.url", url, cancellationToken)
                        .ConfigureAwait(false),
                    _ => throw ApiException.Invalid(
                        $"{where}.source", "expected {\"type\": \"base64\", \"media_type\": …, \"data\": …}; files are not kept here."),
                };
            case "tool_use":
                MessagesCallBlock call = requests.ReadPart(where, block, WireJson.Relaxed.MessagesCallBlock);
                return call is { Id: { Length: > 0 } id, Name: { Length: > 0 } name, Input.ValueKind: JsonValueKind.Object }
                    ? FunctionArguments.Parse(id, name, call.Input.GetRawText())
                    : throw ApiException.Invalid(where, "expected {\"type\": \"tool_use\", \"id\": …, \"name\": …, \"input\": {…}}.");
            case "tool_result":
                MessagesResultBlock result = requests.ReadPart(where, block, WireJson.Relaxed.MessagesResultBlock);
                if (string.IsNullOrEmpty(result.ToolUseId))
                    throw ApiException.Invalid($"{where}.tool_use_id", "give the id of the call.");
                List<AIContent> contents = SamplingReader.IsGiven(result.Content)
                    ? await ReadResultAsync($"{where}.content", result.Content, counted, cancellationToken).ConfigureAwait(false)
                    : [];
                if (contents.Count == 0 && result.IsError == true)
                    contents.Add(new TextContent("The call failed."));
                return new FunctionResultContent(result.ToolUseId, contents);
            case "thinking":
                string? thinking = requests.ReadPart(where, block, WireJson.Relaxed.MessagesThinkingBlock).Thinking;
                return string.IsNullOrEmpty(thinking) ? null : new TextReasoningContent(thinking);
            default:
                throw ApiException.Invalid($"{where}.type", "expected text, image, tool_use, tool_result or thinking.");
        }
    }

    private async Task<List<AIContent>> ReadResultAsync(string param, JsonElement content, RequestImages counted, CancellationToken cancellationToken)
    {
        List<AIContent> contents = await ReadBlocksAsync(param, content, counted, cancellationToken).ConfigureAwait(false);
        return contents.FindIndex(part => part is not (TextContent or DataContent)) is var wrong and >= 0
            ? throw ApiException.Invalid($"{param}[{wrong}].type", "expected text or image.")
            : contents;
    }

    private sealed record MessagesSampling : SamplingFields;
}
