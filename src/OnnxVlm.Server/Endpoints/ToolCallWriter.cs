using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>
/// Function calls in OpenAI's form. If the end of an answer truncates a call, its beginning is sent, and the finish reason is <c>length</c>.
/// </summary>
internal static class ToolCallWriter
{
    /// <summary>What an update adds, for a stream: first index, id, type and name, then pieces of the arguments as the model writes them.</summary>
    /// <param name="update">The update.</param>
    public static IEnumerable<ResponseToolCall> ToStream(ChatResponseUpdate update) => DeltasOf(update).Select(delta => new ResponseToolCall
    {
        Index = delta.Index,
        Id = delta.CallId,
        Type = delta.CallId is null ? null : "function",
        Function = new ResponseFunctionCall { Name = delta.Name, Arguments = delta.Arguments },
    });

    /// <summary>The calls of an answer.</summary>
    /// <param name="updates">All its updates.</param>
    public static IEnumerable<ResponseToolCall> ToWhole(IEnumerable<ChatResponseUpdate> updates) =>
        updates.SelectMany(DeltasOf).GroupBy(delta => delta.Index).Select(call => new ResponseToolCall
    {
        Id = call.First().CallId,
        Type = "function",
        Function = new ResponseFunctionCall { Name = call.First().Name, Arguments = string.Concat(call.Select(delta => delta.Arguments)) },
    });

    private static ToolCallDelta[] DeltasOf(ChatResponseUpdate update) =>
        update.AdditionalProperties?.TryGetValue(ChatProperties.ToolCallDeltas, out ToolCallDelta[]? deltas) == true ? deltas : [];
}
