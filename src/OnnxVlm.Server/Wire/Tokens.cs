using System.Text.Json;

namespace OnnxVlm.Server.Wire;

/// <summary>Body of POST /tokenize: a text, or a conversation.</summary>
internal sealed record TokenizeRequest
{
    /// <summary>Name of a registered model. Required.</summary>
    public string? Model { get; init; }

    /// <summary>A text. The text of a special token counts as ordinary text.</summary>
    public string? Prompt { get; init; }

    /// <summary>A conversation; the result has the tokens of the prompt for the next answer.</summary>
    public IReadOnlyList<RequestMessage?>? Messages { get; init; }

    /// <summary>With messages: tools that the answer may call, as in a chat completion.</summary>
    public IReadOnlyList<RequestTool?>? Tools { get; init; }

    /// <summary>With messages: whether the model is to reason, as in a chat completion.</summary>
    public string? ReasoningEffort { get; init; }
}

/// <summary>Answer of POST /tokenize.</summary>
internal sealed record TokenizeResponse(int Count, int MaxModelLen, IReadOnlyList<int> Tokens);

/// <summary>Body of POST /detokenize.</summary>
internal sealed record DetokenizeRequest
{
    /// <summary>Name of a registered model. Required.</summary>
    public string? Model { get; init; }

    /// <summary>Token ids. Required.</summary>
    public IReadOnlyList<int>? Tokens { get; init; }
}

/// <summary>Answer of POST /detokenize.</summary>
internal sealed record DetokenizeResponse(string Prompt);
