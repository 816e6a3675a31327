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
        CheckChoice(options);
    }

    /// <summary>Sets the tools of the options, without a choice.</summary>
    /// <param name="tools">The field <c>tools</c>.</param>
    /// <param name="options">What is set.</param>
    /// <param name="schemas">Counts the schemas.</param>
    /// <exception cref="ApiException">A tool cannot be honoured.</exception>
    public void Read(IReadOnlyList<RequestTool?>? tools, ChatOptions options, SchemaBudget schemas) =>
        Read(tools, options, (param, tool) => ReadTool(param, tool, schemas));

    /// <summary>Sets the tools of the options, whatever form a wire has for them.</summary>
    /// <typeparam name="T">That form.</typeparam>
    /// <param name="tools">The field <c>tools</c>.</param>
    /// <param name="options">What is set.</param>
    /// <param name="read">Reads one, given its path.</param>
    /// <exception cref="ApiException">There are too many, or one cannot be honoured.</exception>
    public void Read<T>(IReadOnlyList<T>? tools, ChatOptions options, Func<string, T, AIFunctionDeclaration> read)
    {
        if (tools is not { Count: > 0 })
            return;
        if (tools.Count > limits.MaxTools)
            throw ApiException.Invalid("tools", $"at most {limits.MaxTools} tools, found {tools.Count}.");
        options.Tools = [.. tools.Select((tool, i) => read($"tools[{i}]", tool))];
    }

    /// <summary>Reads a function.</summary>
    /// <param name="param">Where it stands in the request.</param>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it does, or null.</param>
    /// <param name="schemaField">The field of the arguments' schema.</param>
    /// <param name="schema">The schema; absent for no arguments.</param>
    /// <param name="schemas">Counts the schemas.</param>
    /// <exception cref="ApiException">The name or the schema cannot be honoured.</exception>
    public static AIFunctionDeclaration Declare(string param, string? name, string? description, string schemaField, JsonElement schema, SchemaBudget schemas)
    {
        if (name is null || !FunctionName().IsMatch(name))
            throw ApiException.Invalid($"{param}.name", "expected 1 to 64 letters, digits, _ and -.");
        JsonElement parameters = SamplingReader.IsGiven(schema) ? schema : NoParameters;
        schemas.Check($"{param}.{schemaField}", parameters);
        return AIFunctionFactory.CreateDeclaration(name, description, parameters);
    }

    /// <summary>Refuses a choice that asks for a call where there are no tools.</summary>
    /// <param name="options">The options.</param>
    /// <exception cref="ApiException">It is so.</exception>
    public static void CheckChoice(ChatOptions options)
    {
        if (options.ToolMode is RequiredChatToolMode && options.Tools is null)
            throw ApiException.Invalid("tool_choice", "asks for a call, but there are no tools; add them or leave it out.");
    }

    private static AIFunctionDeclaration ReadTool(string param, RequestTool? tool, SchemaBudget schemas)
    {
        if (tool is not { Type: "function", Function: { } function })
            throw ApiException.Invalid(param, "expected {\"type\": \"function\", \"function\": {…}}.");
        return Declare($"{param}.function", function.Name, function.Description, "parameters", function.Parameters, schemas);
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
                return requests.ReadPart("tool_choice", choice, WireJson.Relaxed.NamedToolChoice)
                    is { Type: null or "function", Function.Name: { Length: > 0 } name }
                    ? ChatToolMode.RequireSpecific(name)
                    : throw Unexpected();
            default:
                throw Unexpected();
        }

        static ApiException Unexpected() =>
            ApiException.Invalid("tool_choice", "expected none, auto, required, or {\"type\": \"function\", \"function\": {\"name\": …}}.");
    }

    [GeneratedRegex("^[A-Za-z0-9_-]{1,64}\\z")]
    private static partial Regex FunctionName();
}
