using Microsoft.Extensions.AI;

namespace OnnxVlm.Chat;

/// <summary>The functions a request offers, and which of them the answer may or must call.</summary>
/// <param name="Functions">All functions, at least one; the prompt describes these.</param>
/// <param name="Callable">Those that the answer may call.</param>
/// <param name="MustCall">Whether the answer is a call and nothing else.</param>
/// <param name="AllowMany">Whether several calls are allowed.</param>
internal sealed record ToolSet(IReadOnlyList<AIFunctionDeclaration> Functions, IReadOnlyList<AIFunctionDeclaration> Callable, bool MustCall, bool AllowMany)
{
    /// <summary>Reads the tools of a request.</summary>
    /// <param name="options">The request's options.</param>
    /// <returns>The tools; null where there are none or <see cref="ChatToolMode.None"/> hides them.</returns>
    /// <exception cref="ArgumentException">A tool is not a function, two have one name, or the mode asks for a tool that is not there.</exception>
    public static ToolSet? Create(ChatOptions? options)
    {
        if (options is null)
            return null;
        AIFunctionDeclaration[] functions = [.. (options.Tools ?? []).Select(AsFunction)];
        if (functions.GroupBy(function => function.Name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new ArgumentException($"Tools: two functions have the name \"{twice.Key}\"; give each its own.", nameof(options));

        bool allowMany = options.AllowMultipleToolCalls ?? true;
        switch (options.ToolMode)
        {
            case RequiredChatToolMode when functions.Length == 0:
                throw new ArgumentException("ToolMode asks for a function call, but there are no Tools; add them or leave ToolMode out.", nameof(options));
            case RequiredChatToolMode { RequiredFunctionName: { } name }:
                AIFunctionDeclaration required = Array.Find(functions, function => function.Name == name)
                    ?? throw new ArgumentException($"ToolMode asks for the function \"{name}\", which is not among the Tools.", nameof(options));
                // A mode that names its function asks for one call; a model that was not trained to call would continue until its tokens are used up.
                return new ToolSet(functions, [required], MustCall: true, options.AllowMultipleToolCalls ?? false);
            case RequiredChatToolMode:
                return new ToolSet(functions, functions, MustCall: true, allowMany);
            case null or AutoChatToolMode:
                return functions.Length == 0 ? null : new ToolSet(functions, functions, MustCall: false, allowMany);
            case NoneChatToolMode:
                return null;
            default:
                throw new ArgumentException($"ToolMode: expected none, auto or required, found {options.ToolMode.GetType().Name}.", nameof(options));
        }
    }

    private static AIFunctionDeclaration AsFunction(AITool tool) => tool as AIFunctionDeclaration
        ?? throw new ArgumentException($"Tools: the model can call functions only; leave \"{tool.Name}\" ({tool.GetType().Name}) out.", nameof(tool));
}
