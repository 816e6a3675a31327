using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Ollama;

/// <summary>An answer, or a piece of one. What it does not have is absent; times are nanoseconds.</summary>
internal sealed record OllamaBody(string Model, string CreatedAt)
{
    /// <summary>Of /api/chat: what is said.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public OllamaReply? Message { get; init; }

    /// <summary>Of /api/generate: what is said.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Response { get; init; }

    /// <summary>Of /api/generate: what the model thought.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Thinking { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ChatTokenLogprob>? Logprobs { get; init; }

    public bool Done { get; init; }

    /// <summary><c>stop</c>, <c>length</c> or <c>load</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? DoneReason { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? TotalDuration { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? LoadDuration { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? PromptEvalCount { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? PromptEvalDuration { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? EvalCount { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? EvalDuration { get; init; }
}

/// <summary>What the model says.</summary>
internal sealed record OllamaReply(string Content)
{
    public string Role { get; } = "assistant";

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Thinking { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<OllamaCall>? ToolCalls { get; init; }
}

/// <summary>Body of every error of this wire.</summary>
internal sealed record OllamaError(string Error);

/// <summary>Answer of GET /api/version.</summary>
internal sealed record OllamaVersion(string Version);

/// <summary>Answer of GET /api/tags.</summary>
internal sealed record OllamaTags(IReadOnlyList<OllamaModel> Models);

/// <summary>A registered model.</summary>
internal sealed record OllamaModel(string Name, string Model, string ModifiedAt, long Size, string Digest, OllamaDetails Details);

/// <summary>What a model is.</summary>
internal sealed record OllamaDetails(string Family, IReadOnlyList<string> Families, string QuantizationLevel)
{
    public string ParentModel { get; } = "";

    public string Format { get; } = "onnx";

    public string ParameterSize { get; } = "";
}

/// <summary>Answer of POST /api/show.</summary>
internal sealed record OllamaShow(
    string Template, string Parameters, OllamaDetails Details, IReadOnlyDictionary<string, JsonElement> ModelInfo, IReadOnlyList<string> Capabilities,
    string ModifiedAt)
{
    public string Modelfile { get; } = "";

    public string License { get; } = "";
}
