using System.Text.Json;
using OnnxVlm.Server.Wire;
using OnnxVlm.Server.Wires.Messages;
using OnnxVlm.Server.Wires.Ollama;

namespace OnnxVlm.Server.Wires;

/// <summary>Errors in the form of the wire that a request speaks, which its address tells.</summary>
internal static class ErrorForm
{
    /// <summary>An error as a body.</summary>
    /// <param name="context">The request.</param>
    /// <param name="error">The error.</param>
    public static byte[] Write(HttpContext context, ApiException error)
    {
        if (context.Request.Path.StartsWithSegments("/v1/messages", StringComparison.Ordinal))
            return JsonSerializer.SerializeToUtf8Bytes(MessagesErrorBody.From(error, context.TraceIdentifier), WireJson.Relaxed.MessagesErrorBody);
        return context.Request.Path.StartsWithSegments("/api", StringComparison.Ordinal)
            ? JsonSerializer.SerializeToUtf8Bytes(new OllamaError(error.Message), WireJson.Relaxed.OllamaError)
            : JsonSerializer.SerializeToUtf8Bytes(error.Body, WireJson.Relaxed.ErrorBody);
    }
}
