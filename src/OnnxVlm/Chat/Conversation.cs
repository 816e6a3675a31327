using Microsoft.Extensions.AI;
using OnnxVlm.Prompting;

namespace OnnxVlm.Chat;

/// <summary>
/// Converts callers' messages to those that a prompt is built from: instructions go into the system message, and a <c>data:</c> URI becomes its
/// bytes. If the model's chat template does not support tools, they also go into the system message, and function calls and their results become
/// text. Content that cannot be shown to the model is refused, never dropped.
/// </summary>
internal static class Conversation
{
    /// <summary>Converts a conversation. The caller's messages are not changed.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="instructions">Text before the system messages at the start of the conversation; null for none.</param>
    /// <param name="tools">The tools; null for none.</param>
    /// <param name="usesTools">Whether the chat template declares the tools and writes calls and results.</param>
    /// <exception cref="ArgumentException">There is no message, or content that the model cannot read.</exception>
    public static IReadOnlyList<ChatMessage> Create(IEnumerable<ChatMessage> messages, string? instructions, ToolSet? tools, bool usesTools = false)
    {
        List<ChatMessage> conversation = [];
        foreach (ChatMessage message in messages)
        {
            if (usesTools)
                conversation.Add(new ChatMessage(
                    message.Role, [.. message.Contents.Where(content => content is not UsageContent).Select(content => ToTemplate(content, message.Role))]));
            else
                AddAsText(conversation, message);
        }
        if (conversation.Count == 0)
            throw new ArgumentException("There is no message; give the model at least one.", nameof(messages));
        AddToSystem(conversation, instructions, tools is null || usesTools ? null : ToolCallText.Describe(tools.Functions));
        return conversation;
    }

    private static AIContent ToTemplate(AIContent content, ChatRole role) => content switch
    {
        FunctionCallContent when role == ChatRole.Assistant => content,
        TextReasoningContent when role == ChatRole.Assistant => content,
        FunctionResultContent result => new FunctionResultContent(
            result.CallId, FunctionResults.ContentsOf(result).Select(part => ToReadable(part, ChatRole.Tool)).ToList()),
        _ => ToReadable(content, role),
    };

    private static void AddAsText(List<ChatMessage> conversation, ChatMessage message)
    {
        List<AIContent> contents = [];
        bool hasResults = false;
        foreach (AIContent content in message.Contents)
        {
            switch (content)
            {
                case FunctionCallContent call when message.Role == ChatRole.Assistant:
                    contents.Add(new TextContent((contents.Exists(earlier => earlier is not TextReasoningContent) ? "\n" : "") + ToolCallText.Write(call)));
                    break;
                case FunctionResultContent result:
                    // Each result becomes a message of its own, whatever message it came in.
                    conversation.Add(new ChatMessage(ChatRole.Tool, [.. FunctionResults.ContentsOf(result).Select(part => ToReadable(part, ChatRole.Tool))]));
                    hasResults = true;
                    break;
                case TextContent { Text.Length: 0 } or UsageContent:
                    // One is empty, and the other means nothing to the model.
                    break;
                case TextReasoningContent when message.Role == ChatRole.Assistant:
                    // The model's template decides whether the model reads it again.
                    contents.Add(content);
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

    // Templates have one place for a system message, so additions are joined with the existing ones as one text.
    private static void AddToSystem(List<ChatMessage> conversation, string? instructions, string? tools)
    {
        if (string.IsNullOrEmpty(instructions) && tools is null)
            return;
        List<AIContent> contents = [];
        int count = conversation.TakeWhile(message => message.Role == ChatRole.System).Count();
        Append(string.IsNullOrEmpty(instructions) ? [] : [new TextContent(instructions)]);
        foreach (ChatMessage message in conversation.Take(count))
            Append(message.Contents);
        Append(tools is null ? [] : [new TextContent(tools)]);
        conversation.RemoveRange(0, count);
        conversation.Insert(0, new ChatMessage(ChatRole.System, contents));

        void Append(IList<AIContent> more)
        {
            string separator = contents.Count > 0 ? "\n\n" : "";
            foreach (AIContent content in more)
            {
                if (content is TextContent text && contents.Count > 0 && contents[^1] is TextContent last)
                    contents[^1] = new TextContent(last.Text + separator + text.Text);
                else
                    contents.Add(content is TextContent words ? new TextContent(separator + words.Text) : content);
                separator = "";
            }
        }
    }

    private static string Shorten(Uri uri) => uri.OriginalString.Length > 100 ? uri.OriginalString[..100] + "…" : uri.OriginalString;
}
