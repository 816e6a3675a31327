using Microsoft.Extensions.AI;

namespace OnnxVlm.Server.Wires.Responses;

/// <summary>A response that a later request may name.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Conversation">What the model had read and said, without the instructions.</param>
/// <param name="Items">The items of the answer by their ids.</param>
/// <param name="Body">The response as it was sent, JSON.</param>
internal sealed record StoredResponse(
    string Id, IReadOnlyList<ChatMessage> Conversation, IReadOnlyDictionary<string, IReadOnlyList<AIContent>> Items, ReadOnlyMemory<byte> Body)
{
    // What the objects around a text take.
    private const int Overhead = 200;

    /// <summary>
    /// What it takes in memory, in bytes. Responses of one conversation share their messages; they are counted with each, so that the sum is never too low.
    /// </summary>
    public long SizeBytes { get; } = Body.Length + Overhead + Conversation.Sum(message => Overhead + message.Contents.Sum(SizeOf));

    private static long SizeOf(AIContent content) => Overhead + content switch
    {
        TextContent text => 2L * text.Text.Length,
        TextReasoningContent reasoning => 2L * reasoning.Text.Length,
        DataContent data => data.Data.Length,
        FunctionResultContent { Result: IEnumerable<AIContent> parts } => parts.Sum(SizeOf),
        FunctionCallContent call => 2L * (call.Arguments?.Sum(argument => argument.Key.Length + (argument.Value?.ToString()?.Length ?? 4)) ?? 0),
        _ => 0,
    };
}
