using System.Text.Json;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Chat;

/// <summary>
/// Messages as callers write them to messages of text and images only, which is what a prompt is built of: instructions and tools go into the system message,
/// function calls and their results become text, a <c>data:</c> URI becomes its bytes. Content that cannot be shown to the model is refused, never dropped.
/// </summary>
internal static class Conversation
{
    private static readonly TextContent Separator = new("\n\n");

    /// <summary>Converts a conversation. The caller's messages are not changed.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="instructions">Put before the system messages the conversation starts with; null for none.</param>
    /// <param name="tools">Described at the end of the system message; null for none.</param>
    /// <exception cref="ArgumentException">There is no message, or content that the model cannot read.</exception>
    public static IReadOnlyList<ChatMessage> Create(IEnumerable<ChatMessage> messages, string? instructions, ToolSet? tools)
    {
        List<ChatMessage> conversation = [];
        foreach (ChatMessage message in messages)
            Add(conversation, message);
        if (conversation.Count == 0)
            throw new ArgumentException("There is no message; give the model at least one.", nameof(messages));
        AddToSystem(conversation, instructions, tools is null ? null : ToolCallText.Describe(tools.Functions));
        return conversation;
    }

    private static void Add(List<ChatMessage> conversation, ChatMessage message)
    {
        List<AIContent> contents = [];
        bool hasResults = false;
        foreach (AIContent content in message.Contents)
        {
            switch (content)
            {
                case FunctionCallContent call when message.Role == ChatRole.Assistant:
                    contents.Add(new TextContent((contents.Count > 0 ? "\n" : "") + ToolCallText.Write(call)));
                    break;
                case FunctionResultContent result:
                    // Each result is a message of its own, whatever message it came in.
                    conversation.Add(new ChatMessage(ChatRole.Tool, [.. ContentsOf(result).Select(part => ToReadable(part, ChatRole.Tool))]));
                    hasResults = true;
                    break;
                case TextContent { Text.Length: 0 } or UsageContent:
                    // The one says nothing, the other nothing to the model.
                    break;
                case TextReasoningContent when message.Role == ChatRole.Assistant:
                    // A model does not read again what it thought before it answered.
                    break;
                default:
                    contents.Add(ToReadable(content, message.Role));
                    break;
            }
        }
        if (contents.Count > 0 || !hasResults)
            conversation.Add(new ChatMessage(message.Role, contents));
    }

    private static AIContent ToReadable(AIContent content, ChatRole role) => content switch
    {
        TextContent => content,
        DataContent data when data.HasTopLevelMediaType("image") => data,
        DataContent data => throw Unreadable(data.MediaType),
        UriContent { Uri.Scheme: "data" } uri => ToReadable(new DataContent(uri.Uri, uri.MediaType), role),
        UriContent uri => throw new ArgumentException(
            $"Nothing is fetched from the network or from files: found the URI {Shorten(uri.Uri)}; give the bytes as DataContent, or a data: URI."),
        FunctionCallContent => throw new ArgumentException($"A function call belongs into an assistant message, found one in a {role} message."),
        _ => throw Unreadable(content.GetType().Name),
    };

    private static ArgumentException Unreadable(string kind) =>
        new($"The model reads text, images and function calls with their results, and cannot read {kind}.");

    private static IEnumerable<AIContent> ContentsOf(FunctionResultContent result) => result.Result switch
    {
        AIContent content => [content],
        IEnumerable<AIContent> contents => contents,
        string text => [new TextContent(text)],
        JsonElement { ValueKind: JsonValueKind.String } text => [new TextContent(text.GetString())],
        null => [new TextContent(result.Exception is null ? "null" : "Error: the function failed.")],
        object value => [new TextContent(SpacedJson.Write(ChatJson.ToElement(value)))],
    };

    // Templates have one place for a system message, so what is added joins the ones that are there.
    private static void AddToSystem(List<ChatMessage> conversation, string? instructions, string? tools)
    {
        if (string.IsNullOrEmpty(instructions) && tools is null)
            return;
        List<AIContent> contents = [];
        int count = conversation.TakeWhile(message => message.Role == ChatRole.System).Count();
        if (!string.IsNullOrEmpty(instructions))
            Append([new TextContent(instructions)]);
        foreach (ChatMessage message in conversation.Take(count))
            Append(message.Contents);
        if (tools is not null)
            Append([new TextContent(tools)]);
        conversation.RemoveRange(0, count);
        conversation.Insert(0, new ChatMessage(ChatRole.System, contents));

        void Append(IList<AIContent> more)
        {
            if (contents.Count > 0 && more.Count > 0)
                contents.Add(Separator);
            contents.AddRange(more);
        }
    }

    private static string Shorten(Uri uri) => uri.OriginalString.Length > 100 ? uri.OriginalString[..100] + "…" : uri.OriginalString;
}
