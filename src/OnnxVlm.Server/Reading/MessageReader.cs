using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Prompting;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Reading;

/// <summary>Converts the messages of a request to those of Microsoft.Extensions.AI.</summary>
/// <param name="requests">Reads parts.</param>
/// <param name="images">Reads images.</param>
/// <param name="limits">The service's limits.</param>
internal sealed class MessageReader(RequestReader requests, ImageReader images, ServerOptions limits)
{
    /// <summary>Reads a conversation.</summary>
    /// <param name="messages">The field <c>messages</c>.</param>
    /// <param name="client">Who asks.</param>
    /// <param name="cancellationToken">Ends the fetching of images, where that is allowed.</param>
    /// <exception cref="ApiException">A message cannot be honoured.</exception>
    public async Task<IReadOnlyList<ChatMessage>> ReadAsync(IReadOnlyList<RequestMessage?>? messages, string client, CancellationToken cancellationToken)
    {
        if (messages is not { Count: > 0 })
            throw ApiException.Invalid("messages", "expected an array of one message or more.");
        if (messages.Count > limits.MaxMessages)
            throw ApiException.Invalid("messages", $"at most {limits.MaxMessages} messages, found {messages.Count}.");
        List<ChatMessage> conversation = new(messages.Count);
        RequestImages counted = images.For(client);
        for (int i = 0; i < messages.Count; i++)
        {
            string param = $"messages[{i}]";
            RequestMessage message = messages[i] ?? throw ApiException.Invalid(param, "expected a message, found null.");
            ChatRole role = ReadRole($"{param}.role", message.Role);
            List<AIContent> contents = [];
            foreach ((string where, ContentPart part) in ReadParts($"{param}.content", message))
            {
                if (part.ImageUrl is not { } url)
                    contents.Add(new TextContent(part.Text));
                else
                    contents.Add(await counted.ReadUrlAsync(where, url, cancellationToken).ConfigureAwait(false));
            }
            conversation.Add(role == ChatRole.Tool ? ToToolMessage(param, message, contents) : ToMessage(param, message, role, contents));
        }
        return conversation;
    }

    private static ChatRole ReadRole(string param, string? role) => role switch
    {
        "system" or "developer" => ChatRole.System,
        "user" => ChatRole.User,
        "assistant" => ChatRole.Assistant,
        "tool" => ChatRole.Tool,
        _ => throw ApiException.Invalid(param, "expected system, developer, user, assistant or tool."),
    };

    private static ChatMessage ToMessage(string param, RequestMessage message, ChatRole role, List<AIContent> contents)
    {
        if (message.ToolCallId is not null)
            throw ApiException.Invalid($"{param}.tool_call_id", "only in a tool message.");
        if (role != ChatRole.Assistant)
            RefuseAssistantFields(param, message);
        if ((message.ReasoningContent ?? message.Reasoning) is { Length: > 0 } reasoning)
            contents.Insert(0, new TextReasoningContent(reasoning));
        if (message.ToolCalls is { Count: > 0 } calls)
            contents.AddRange(calls.Select((call, i) => ToCall($"{param}.tool_calls[{i}]", call)));
        if (message.Refusal is { Length: > 0 } refusal)
            contents.Add(new TextContent(refusal));
        if (contents.Count == 0 && role != ChatRole.Assistant)
            throw ApiException.Invalid($"{param}.content", "expected a text or an array of parts.");
        return new ChatMessage(role, contents) { AuthorName = message.Name };
    }

    private static void RefuseAssistantFields(string param, RequestMessage message)
    {
        string? field = message.ToolCalls is { Count: > 0 }
            ? "tool_calls"
            : message.ReasoningContent is { Length: > 0 } ? "reasoning_content"
            : message.Reasoning is { Length: > 0 } ? "reasoning"
            : message.Refusal is { Length: > 0 } ? "refusal" : null;
        if (field is not null)
            throw ApiException.Invalid($"{param}.{field}", "only in an assistant message.");
    }

    private static ChatMessage ToToolMessage(string param, RequestMessage message, List<AIContent> contents)
    {
        RefuseAssistantFields(param, message);
        if (string.IsNullOrEmpty(message.ToolCallId))
            throw ApiException.Invalid($"{param}.tool_call_id", "give the id of the call that the message answers.");
        return new ChatMessage(ChatRole.Tool, [new FunctionResultContent(message.ToolCallId, contents)]);
    }

    private static FunctionCallContent ToCall(string param, RequestToolCall? call)
    {
        if (call is not { Id.Length: > 0, Type: null or "function", Function: { Name.Length: > 0, Arguments: { } arguments } function })
            throw ApiException.Invalid(param, "expected {\"id\": …, \"type\": \"function\", \"function\": {\"name\": …, \"arguments\": …}}.");
        return FunctionArguments.Parse(call.Id, function.Name, JsonText.Mend(arguments));
    }

    // A text, or an array of parts; an absent content is empty.
    private IEnumerable<(string Param, ContentPart Part)> ReadParts(string param, RequestMessage message)
    {
        switch (message.Content.ValueKind)
        {
            case JsonValueKind.Undefined or JsonValueKind.Null:
                return [];
            case JsonValueKind.String:
                return [(param, new ContentPart(message.Content.GetString()!, null))];
            case JsonValueKind.Array:
                return message.Content.EnumerateArray().Select((part, i) => ($"{param}[{i}]", ReadPart($"{param}[{i}]", part)));
            default:
                throw ApiException.Invalid(param, "expected a text or an array of parts.");
        }
    }

    private ContentPart ReadPart(string param, JsonElement part)
    {
        switch (RequestReader.KindOf(param, part))
        {
            case "text":
                return new ContentPart(requests.ReadPart(param, part, WireJson.Relaxed.TextPart).Text ?? throw Missing("text"), null);
            case "refusal":
                return new ContentPart(requests.ReadPart(param, part, WireJson.Relaxed.RefusalPart).Refusal ?? throw Missing("refusal"), null);
            case "image_url":
                JsonElement image = requests.ReadPart(param, part, WireJson.Relaxed.ImagePart).ImageUrl;
                string? url = image.ValueKind switch
                {
                    JsonValueKind.Object => requests.ReadPart($"{param}.image_url", image, WireJson.Relaxed.ImageUrl).Url,
                    JsonValueKind.String => image.GetString(),
                    JsonValueKind.Undefined or JsonValueKind.Null => throw Missing("image_url"),
                    _ => null,
                };
                return new ContentPart("", url ?? throw ApiException.Invalid($"{param}.image_url", "expected {\"url\": …} or a text."));
            default:
                throw ApiException.Invalid($"{param}.type", "expected text or image_url.");
        }

        ApiException Missing(string field) => ApiException.Invalid(param, $"the part has no {field}.");
    }

    private readonly record struct ContentPart(string Text, string? ImageUrl);
}
