using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Reading;

/// <summary>Tools and tool choice of a request.</summary>
/// <param name="requests">Reads parts.</param>
/// <param name="limits">The service's limits.</param>
internal sealed partial class ToolReader(RequestReader requests, ServerOptions limits)
{
    private static readonly JsonElement NoParameters = JsonElement.Parse("""{"type":"object","properties":{}}""");

    /// <summary>Sets the tools of the options.</summary>
    /// <param name="request">The body.</param>
    /// <param name="options">What is set.</param>
    /// <param name="schemas">Counts the schemas.</param>
    /// <exception cref="ApiException">A tool or the choice cannot be honoured.</exception>
    public void Read(ChatCompletionRequest request, ChatOptions options, SchemaBudget schemas)
    {
        Read(request.Tools, options, schemas);
        options.AllowMultipleToolCalls = request.ParallelToolCalls;
        options.ToolMode = ReadChoice(request.ToolChoice);
        if (options.ToolMode is RequiredChatToolMode && options.Tools is null)
            throw ApiException.Invalid("tool_choice", "asks for a call, but there are no tools; add them or leave it out.");
    }

    /// <summary>Sets the tools of the options, without a choice.</summary>
    /// <param name="tools">The field <c>tools</c>.</param>
    /// <param name="options">What is set.</param>
    /// <param name="schemas">Counts the schemas.</param>
    /// <exception cref="ApiException">A tool cannot be honoured.</exception>
    public void Read(IReadOnlyList<RequestTool?>? tools, ChatOptions options, SchemaBudget schemas)
    {
        if (tools is not { Count: > 0 })
            return;
        if (tools.Count > limits.MaxTools)
            throw ApiException.Invalid("tools", $"at most {limits.MaxTools} tools, found {tools.Count}.");
        options.Tools = [.. tools.Select((tool, i) => ReadTool($"tools[{i}]", tool, schemas))];
    }

    private static AIFunctionDeclaration ReadTool(string param, RequestTool? tool, SchemaBudget schemas)
    {
        if (tool is not { Type: "function", Function: { } function })
            throw ApiException.Invalid(param, "expected {\"type\": \"function\", \"function\": {…}}.");
        if (function.Name is null || !FunctionName().IsMatch(function.Name))
            throw ApiException.Invalid($"{param}.function.name", "expected 1 to 64 letters, digits, _ and -.");
        JsonElement schema = SamplingReader.IsGiven(function.Parameters) ? function.Parameters : NoParameters;
        schemas.Check($"{param}.function.parameters", schema);
        return AIFunctionFactory.CreateDeclaration(function.Name, function.Description, schema);
    }

    private ChatToolMode? ReadChoice(JsonElement choice)
    {
        switch (choice.ValueKind)
        {
            case JsonValueKind.Undefined or JsonValueKind.Null:
                return null;
            case JsonValueKind.String:
                return choice.GetString() switch
                {
                    "none" => ChatToolMode.None,
                    "auto" => ChatToolMode.Auto,
                    "required" => ChatToolMode.RequireAny,
                    _ => throw Unexpected(),
                };
            case JsonValueKind.Object:
                return requests.ReadPart("tool_choice", choice, WireJson.Relaxed.NamedToolChoice) is { Type: null or "function", Function.Name: { Length: > 0 } name }
                    ? ChatToolMode.RequireSpecific(name)
                    : throw Unexpected();
            default:
                throw Unexpected();
        }

        static ApiException Unexpected() => ApiException.Invalid("tool_choice", "expected none, auto, required, or {\"type\": \"function\", \"function\": {\"name\": …}}.");
    }

    [GeneratedRegex("^[A-Za-z0-9_-]{1,64}\\z")]
    private static partial Regex FunctionName();
}
