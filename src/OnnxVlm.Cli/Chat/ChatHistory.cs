using Microsoft.Extensions.AI;

namespace OnnxVlm.Cli.Chat;

/// <summary>How an answer ended.</summary>
internal enum AnswerEnd
{
    /// <summary>The model ended it.</summary>
    Complete,

    /// <summary>The user stopped it.</summary>
    Stopped,

    /// <summary>It reached the limit of tokens, or the context was full.</summary>
    Cut,

    /// <summary>The runtime failed.</summary>
    Failed,
}

/// <summary>A message of the user and its answer.</summary>
internal sealed record ChatTurn(string Text, IReadOnlyList<Attachment> Images, string Answer, AnswerEnd End);

/// <summary>The conversation so far, and the images for the next message.</summary>
internal sealed class ChatHistory
{
    public string? System { get; set; }

    public List<ChatTurn> Turns { get; } = [];

    public List<Attachment> Waiting { get; } = [];

    /// <summary>Removes the turns and the waiting images; the system message stays.</summary>
    public void Reset()
    {
        Turns.Clear();
        Waiting.Clear();
    }

    /// <summary>The conversation in the form for the model, with a new message at its end.</summary>
    /// <param name="text">The new message; the waiting images come before its text.</param>
    public List<ChatMessage> With(string text)
    {
        List<ChatMessage> messages = System is null ? [] : [new ChatMessage(ChatRole.System, System)];
        foreach (ChatTurn turn in Turns)
        {
            messages.Add(UserMessage(turn.Text, turn.Images));
            messages.Add(new ChatMessage(ChatRole.Assistant, turn.Answer));
        }
        messages.Add(UserMessage(text, Waiting));
        return messages;
    }

    private static ChatMessage UserMessage(string text, IEnumerable<Attachment> images) =>
        new(ChatRole.User, [.. images.Select(image => image.Content), new TextContent(text)]);
}
