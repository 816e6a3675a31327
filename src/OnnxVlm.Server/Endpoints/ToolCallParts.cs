using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>The function calls of one answer, in OpenAI's form.</summary>
internal sealed class ToolCallParts
{
    // A call comes whole from the model; arguments longer than this come in pieces, as clients expect of a stream.
    private const int PieceLength = 256;

    private static readonly JsonSerializerOptions OneLine = new(AIJsonUtilities.DefaultOptions) { WriteIndented = false };

    private int _next;

    /// <summary>A call in one piece.</summary>
    /// <param name="call">The call.</param>
    public static ResponseToolCall Whole(FunctionCallContent call) => new()
    {
        Id = call.CallId,
        Type = "function",
        Function = new ResponseFunctionCall { Name = call.Name, Arguments = ArgumentsOf(call) },
    };

    /// <summary>A call for a stream: first index, id, type and name, then the arguments.</summary>
    /// <param name="call">The call.</param>
    public IEnumerable<ResponseToolCall> Split(FunctionCallContent call)
    {
        int index = _next++;
        yield return new ResponseToolCall { Index = index, Id = call.CallId, Type = "function", Function = new ResponseFunctionCall { Name = call.Name, Arguments = "" } };
        string arguments = ArgumentsOf(call);
        for (int start = 0; start < arguments.Length; start += PieceLength)
            yield return new ResponseToolCall { Index = index, Function = new ResponseFunctionCall { Arguments = arguments.Substring(start, Math.Min(PieceLength, arguments.Length - start)) } };
    }

    private static string ArgumentsOf(FunctionCallContent call) => JsonSerializer.Serialize(call.Arguments ?? new Dictionary<string, object?>(), OneLine);
}
