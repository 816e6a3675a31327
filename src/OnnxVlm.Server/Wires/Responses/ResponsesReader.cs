using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Prompting;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Responses;

/// <summary>
/// Converts the body of /v1/responses for <see cref="VlmChatClient"/>. Each field is honoured, or refused under its path before anything runs.
/// </summary>
/// <param name="requests">Reads parts.</param>
/// <param name="images">Reads images.</param>
/// <param name="tools">Reads tools.</param>
/// <param name="guidance">Reads the constraints of an answer.</param>
/// <param name="store">Earlier responses.</param>
/// <param name="limits">The service's limits.</param>
internal sealed class ResponsesReader(
    RequestReader requests, ImageReader images, ToolReader tools, GuidanceReader guidance, ResponseStore store, ServerOptions limits)
{
    /// <summary>Reads a request.</summary>
    /// <param name="body">The body.</param>
    /// <param name="context">Who asks.</param>
    /// <exception cref="ApiException">Something cannot be honoured, or an id is not known (404).</exception>
    public async Task<AnswerRequest> ReadAsync(ResponsesRequest body, HttpContext context)
    {
        string model = ChatRequestReader.RequiredModel(body.Model);
        RefuseUnsupported(body);
        ChatOptions options = SamplingReader.Read(body, ("max_output_tokens", body.MaxOutputTokens), limits);
        options.Instructions = body.Instructions;
        SchemaBudget schemas = new(limits);
        options.ResponseFormat = ReadFormat(body.Text?.Format, schemas);
        guidance.Read(body, options, schemas);
        options.Reasoning = ChatRequestReader.ReasoningOf("reasoning.effort", body.Reasoning?.Effort);
        ChatRequestReader.ReadTemplateVariables(body.ChatTemplateKwargs, options, limits);
        ReadInclude(body, options);
        tools.Read(body.Tools, options, (param, tool) => ReadTool(param, tool, schemas));
        options.AllowMultipleToolCalls = body.ParallelToolCalls;
        ReadChoice(body.ToolChoice, options);
        ToolReader.CheckChoice(options);
        IReadOnlyList<ChatMessage> conversation = await ReadInputAsync(body, context).ConfigureAwait(false);
        return new AnswerRequest(model, [conversation], options) { UsesCache = body.CachePrompt != false };
    }

    private static void RefuseUnsupported(ResponsesRequest body)
    {
        if (body.Background == true)
            throw ApiException.Invalid("background", "answers run in the foreground only; leave it out.");
        if (body.Truncation is not (null or "disabled"))
            throw ApiException.Invalid("truncation", "nothing is left out in silence; leave it out and send what fits.");
        if ((body.Reasoning?.Summary ?? body.Reasoning?.GenerateSummary) is not (null or "auto"))
            throw ApiException.Invalid("reasoning.summary", "reasoning comes as it is and is not summarized; ask for auto or leave it out.");
        if (body.Text?.Verbosity is not (null or "low" or "medium" or "high"))
            throw ApiException.Invalid("text.verbosity", "expected low, medium or high.");
        if (body.StreamOptions is not null && body.Stream != true)
            throw ApiException.Invalid("stream_options", "only for a stream; set stream to true or leave it out.");
        if (SamplingReader.IsGiven(body.Metadata) && (body.Metadata.ValueKind != JsonValueKind.Object
            || body.Metadata.GetRawText().Length > 32 << 10
            || body.Metadata.EnumerateObject().Any(pair => pair.Value.ValueKind != JsonValueKind.String)))
            throw ApiException.Invalid("metadata", "expected an object of texts, of 32 KiB at most.");
    }

    private static ChatResponseFormatJson? ReadFormat(ResponsesFormat? format, SchemaBudget schemas)
    {
        switch (format?.Type)
        {
            case null when format is null:
                return null;
            case "text" or "json_object" when SamplingReader.IsGiven(format.Schema):
                throw ApiException.Invalid("text.format.schema", "only with the type json_schema.");
            case "text":
                return null;
            case "json_object":
                return ChatResponseFormat.Json;
            case "json_schema":
                if (string.IsNullOrEmpty(format.Name))
                    throw ApiException.Invalid("text.format.name", "give the schema a name.");
                schemas.Check("text.format.schema", format.Schema);
                return ChatResponseFormat.ForJsonSchema(format.Schema, format.Name, format.Description);
            default:
                throw ApiException.Invalid("text.format.type", "expected text, json_object or json_schema.");
        }
    }

    private static void ReadInclude(ResponsesRequest body, ChatOptions options)
    {
        int i = 0;
        bool logprobs = false;
        foreach (string? included in body.Include ?? [])
        {
            if (included is not ("message.output_text.logprobs" or "reasoning.encrypted_content"))
                throw ApiException.Invalid($"include[{i}]", "expected message.output_text.logprobs or reasoning.encrypted_content.");
            logprobs |= included == "message.output_text.logprobs";
            i++;
        }
        double? top = SamplingReader.Within("top_logprobs", body.TopLogprobs, 0, 20);
        if (top > 0 && !logprobs)
            throw ApiException.Invalid("top_logprobs", "include message.output_text.logprobs as well.");
        if (logprobs)
            options.AdditionalProperties![ChatProperties.TopLogprobs] = (int?)top ?? 0;
    }

    private static AIFunctionDeclaration ReadTool(string param, ResponsesTool? tool, SchemaBudget schemas) => tool?.Type == "function"
        ? ToolReader.Declare(param, tool.Name, tool.Description, "parameters", tool.Parameters, schemas)
        : throw ApiException.Invalid($"{param}.type", "only functions can be called here; expected {\"type\": \"function\", \"name\": …}.");

    private void ReadChoice(JsonElement choice, ChatOptions options)
    {
        const string Param = "tool_choice";
        switch (choice.ValueKind)
        {
            case JsonValueKind.Undefined or JsonValueKind.Null:
                return;
            case JsonValueKind.String:
                options.ToolMode = ModeOf(Param, choice.GetString());
                return;
        }
        ResponsesToolChoice named = requests.ReadPart(Param, choice, WireJson.Relaxed.ResponsesToolChoice);
        switch (named.Type)
        {
            case "function" when named is { Name: { Length: > 0 } name, Mode: null, Tools: null }:
                options.ToolMode = ChatToolMode.RequireSpecific(name);
                return;
            case "allowed_tools" when named is { Name: null, Tools: { Count: > 0 } allowed }:
                options.ToolMode = ModeOf($"{Param}.mode", named.Mode ?? "auto");
                options.Tools = [.. allowed.Select((tool, i) => options.Tools?.FirstOrDefault(known => tool is { Type: "function" } && known.Name == tool.Name)
                    ?? throw ApiException.Invalid($"{Param}.tools[{i}]", "expected {\"type\": \"function\", \"name\": …} with the name of one of the tools."))];
                return;
            default:
                throw ApiException.Invalid(Param,
                    "expected none, auto, required, {\"type\": \"function\", \"name\": …} or {\"type\": \"allowed_tools\", \"mode\": …, \"tools\": […]}.");
        }

        static ChatToolMode ModeOf(string param, string? mode) => mode switch
        {
            "none" => ChatToolMode.None,
            "auto" => ChatToolMode.Auto,
            "required" => ChatToolMode.RequireAny,
            _ => throw ApiException.Invalid(param, "expected none, auto or required."),
        };
    }

    private async Task<IReadOnlyList<ChatMessage>> ReadInputAsync(ResponsesRequest body, HttpContext context)
    {
        string scope = ClientKey.ScopeOf(context);
        RequestImages counted = images.For(ClientKey.ClientOf(context));
        List<ChatMessage> conversation = [];
        if (body.PreviousResponseId is { Length: > 0 } previous)
        {
            StoredResponse earlier = store.Find(scope, previous) ?? throw NotFound("previous_response_id", "response");
            conversation.AddRange(earlier.Conversation);
            counted.CountThoseOf("previous_response_id", conversation);
        }
        switch (body.Input.ValueKind)
        {
            case JsonValueKind.String when body.Input.GetString() is { Length: > 0 } text:
                conversation.Add(new ChatMessage(ChatRole.User, text));
                break;
            case JsonValueKind.Array when body.Input.GetArrayLength() > 0:
                int i = 0;
                foreach (JsonElement item in body.Input.EnumerateArray())
                    await ReadItemAsync($"input[{i++}]", item, conversation, counted, scope, context.RequestAborted).ConfigureAwait(false);
                break;
            default:
                throw ApiException.Invalid("input", "expected a text, or an array of one item or more.");
        }
        if (conversation.Count > limits.MaxMessages)
            throw ApiException.Invalid("input", $"at most {limits.MaxMessages} messages, found {conversation.Count}.");
        return conversation;
    }

    private async Task ReadItemAsync(
        string param, JsonElement item, List<ChatMessage> conversation, RequestImages counted, string scope, CancellationToken cancellationToken)
    {
        if (item.ValueKind != JsonValueKind.Object)
            throw ApiException.Invalid(param, "expected an item.");
        // Both a message and a reference may omit their type.
        string kind = item.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String
            ? type.GetString()!
            : item.TryGetProperty("role", out _) ? "message" : "item_reference";
        switch (kind)
        {
            case "message":
                ResponsesMessage message = requests.ReadPart(param, item, WireJson.Relaxed.ResponsesMessage);
                ChatRole role = message.Role switch
                {
                    "user" => ChatRole.User,
                    "assistant" => ChatRole.Assistant,
                    "system" or "developer" => ChatRole.System,
                    _ => throw ApiException.Invalid($"{param}.role", "expected user, assistant, system or developer."),
                };
                List<AIContent> contents = await ReadPartsAsync($"{param}.content", message.Content, counted, cancellationToken).ConfigureAwait(false);
                if (role == ChatRole.Assistant)
                    AddToAnswer(conversation, contents);
                else
                    conversation.Add(new ChatMessage(role, contents));
                break;
            case "function_call":
                ResponsesCall call = requests.ReadPart(param, item, WireJson.Relaxed.ResponsesCall);
                if (call is not { CallId: { Length: > 0 } callId, Name: { Length: > 0 } name, Arguments: { } arguments })
                    throw ApiException.Invalid(param, "expected {\"type\": \"function_call\", \"call_id\": …, \"name\": …, \"arguments\": …}.");
                AddToAnswer(conversation, [FunctionArguments.Parse(callId, name, JsonText.Mend(arguments))]);
                break;
            case "function_call_output":
                ResponsesCallOutput output = requests.ReadPart(param, item, WireJson.Relaxed.ResponsesCallOutput);
                if (string.IsNullOrEmpty(output.CallId))
                    throw ApiException.Invalid($"{param}.call_id", "give the id of the call.");
                List<AIContent> parts = await ReadPartsAsync($"{param}.output", output.Output, counted, cancellationToken).ConfigureAwait(false);
                conversation.Add(new ChatMessage(ChatRole.Tool, [new FunctionResultContent(output.CallId, parts)]));
                break;
            case "reasoning":
                AddToAnswer(conversation, ReadReasoning(param, requests.ReadPart(param, item, WireJson.Relaxed.ResponsesReasoningItem)));
                break;
            case "item_reference":
                string? id = requests.ReadPart(param, item, WireJson.Relaxed.ResponsesItemReference).Id;
                AddToAnswer(conversation, string.IsNullOrEmpty(id)
                    ? throw ApiException.Invalid($"{param}.id", "give the id of an item.")
                    : store.FindItem(scope, id) ?? throw NotFound($"{param}.id", "item"));
                break;
            default:
                throw ApiException.Invalid($"{param}.type", "expected message, function_call, function_call_output, reasoning or item_reference.");
        }
    }

    // Reasoning, text and calls of one answer are one message to the model.
    private static void AddToAnswer(List<ChatMessage> conversation, IReadOnlyList<AIContent> contents)
    {
        if (conversation.Count > 0 && conversation[^1].Role == ChatRole.Assistant)
            // A stored message also belongs to its response, so it is not changed.
            conversation[^1] = new ChatMessage(ChatRole.Assistant, [.. conversation[^1].Contents, .. contents]);
        else
            conversation.Add(new ChatMessage(ChatRole.Assistant, [.. contents]));
    }

    private async Task<List<AIContent>> ReadPartsAsync(string param, JsonElement content, RequestImages counted, CancellationToken cancellationToken)
    {
        if (content.ValueKind == JsonValueKind.String)
            return [new TextContent(content.GetString()!)];
        if (content.ValueKind != JsonValueKind.Array)
            throw ApiException.Invalid(param, "expected a text or an array of parts.");
        List<AIContent> contents = [];
        foreach ((int i, JsonElement part) in content.EnumerateArray().Index())
        {
            string where = $"{param}[{i}]";
            switch (RequestReader.KindOf(where, part))
            {
                case "input_text" or "output_text" or "text":
                    contents.Add(new TextContent(
                        requests.ReadPart(where, part, WireJson.Relaxed.ResponsesTextPart).Text ?? throw ApiException.Invalid(where, "the part has no text.")));
                    break;
                case "refusal":
                    contents.Add(new TextContent(
                        requests.ReadPart(where, part, WireJson.Relaxed.RefusalPart).Refusal ?? throw ApiException.Invalid(where, "the part has no refusal.")));
                    break;
                case "input_image":
                    string url = requests.ReadPart(where, part, WireJson.Relaxed.ResponsesImagePart).ImageUrl
                        ?? throw ApiException.Invalid($"{where}.image_url", "give the image as a data: URI; files are not kept here.");
                    contents.Add(await counted.ReadUrlAsync($"{where}.image_url", url, cancellationToken).ConfigureAwait(false));
                    break;
                default:
                    throw ApiException.Invalid($"{where}.type", "expected input_text, output_text, refusal or input_image.");
            }
        }
        return contents;
    }

    private static List<AIContent> ReadReasoning(string param, ResponsesReasoningItem item)
    {
        string text = string.Concat((item.Content ?? []).Select(part => part?.Text));
        if (text.Length == 0 && item.EncryptedContent is { Length: > 0 } encrypted)
        {
            byte[] bytes = new byte[encrypted.Length];
            if (!Convert.TryFromBase64String(encrypted, bytes, out int length))
                throw ApiException.Invalid($"{param}.encrypted_content", "this service did not write it; leave it out.");
            text = Encoding.UTF8.GetString(bytes, 0, length);
        }
        return text.Length > 0 ? [new TextReasoningContent(text)] : [];
    }

    private static ApiException NotFound(string param, string what) =>
        new(
            StatusCodes.Status404NotFound,
            $"{param}: there is no {what} of this id here; it was not stored, its time is over, or it is of another key. Send the items themselves.",
            param,
            $"{what}_not_found");
}
