using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.Server.Wires.Ollama;

/// <summary>What the bodies of /api/chat and /api/generate have in common.</summary>
internal abstract record OllamaRequest
{
    /// <summary>Name of a registered model; <c>:latest</c> behind it is nothing. Required.</summary>
    public string? Model { get; init; }

    /// <summary>Whether the answer comes in pieces. Default true.</summary>
    public bool? Stream { get; init; }

    /// <summary><c>json</c>, or a JSON schema.</summary>
    public JsonElement Format { get; init; }

    public OllamaOptions? Options { get; init; }

    /// <summary>Accepted, and nothing is done with it: a model stays loaded until its memory is needed.</summary>
    public JsonElement KeepAlive { get; init; }

    /// <summary>Whether a model that can reason does so before it answers: true, false, or <c>low</c>, <c>medium</c>, <c>high</c>.</summary>
    public JsonElement Think { get; init; }

    /// <summary>Whether log probabilities are reported.</summary>
    public bool? Logprobs { get; init; }

    /// <summary>Alternatives for each token, 0 to 20; needs <c>logprobs</c>.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>Only false: nothing is left out in silence.</summary>
    public bool? Truncate { get; init; }

    /// <summary>Only false.</summary>
    public bool? Shift { get; init; }

    /// <summary>Accepted, and nothing is done with it: OllamaSharp writes what it sends as headers into the body too.</summary>
    [JsonPropertyName("CustomHeaders")]
    public JsonElement CustomHeaders { get; init; }
}

/// <summary>Body of POST /api/chat.</summary>
internal sealed record OllamaChatRequest : OllamaRequest
{
    /// <summary>The conversation; none loads the model.</summary>
    public IReadOnlyList<OllamaMessage?>? Messages { get; init; }

    public IReadOnlyList<OllamaTool?>? Tools { get; init; }
}

/// <summary>Body of POST /api/generate.</summary>
internal sealed record OllamaGenerateRequest : OllamaRequest
{
    /// <summary>What the user says; none loads the model.</summary>
    public string? Prompt { get; init; }

    /// <summary>The system message.</summary>
    public string? System { get; init; }

    /// <summary>Whether the prompt is continued as it is, without the chat template. Default false.</summary>
    public bool? Raw { get; init; }

    /// <summary>Images as base64.</summary>
    public IReadOnlyList<string?>? Images { get; init; }
}

/// <summary>One message of a conversation.</summary>
internal sealed record OllamaMessage
{
    /// <summary><c>system</c>, <c>user</c>, <c>assistant</c> or <c>tool</c>.</summary>
    public string? Role { get; init; }

    public string? Content { get; init; }

    /// <summary>Images as base64.</summary>
    public IReadOnlyList<string?>? Images { get; init; }

    /// <summary>In an assistant message: what the model had thought. What of it is read again, its chat template decides.</summary>
    public string? Thinking { get; init; }

    /// <summary>In an assistant message: the calls it made.</summary>
    public IReadOnlyList<OllamaCall?>? ToolCalls { get; init; }

    /// <summary>In a tool message: the function that was called.</summary>
    public string? ToolName { get; init; }

    /// <summary>In a tool message: the call that it answers; without it, the first one of the function that has no answer yet.</summary>
    public string? ToolCallId { get; init; }
}

/// <summary>A function call, in a request and in an answer.</summary>
internal sealed record OllamaCall
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Id { get; init; }

    /// <summary><c>function</c>; may be absent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Type { get; init; }

    public OllamaCalledFunction? Function { get; init; }
}

/// <summary>Name and arguments of a call.</summary>
internal sealed record OllamaCalledFunction
{
    /// <summary>Number of the call in the answer.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Index { get; init; }

    public string? Name { get; init; }

    /// <summary>An object.</summary>
    public JsonElement Arguments { get; init; }
}

/// <summary>A function that the answer may call.</summary>
internal sealed record OllamaTool
{
    /// <summary>Only <c>function</c>.</summary>
    public string? Type { get; init; }

    public OllamaFunction? Function { get; init; }
}

/// <summary>A function.</summary>
internal sealed record OllamaFunction
{
    public string? Name { get; init; }

    public string? Description { get; init; }

    /// <summary>The JSON schema of the arguments; absent for none.</summary>
    public JsonElement Parameters { get; init; }

    /// <summary>Accepted: calls always follow the schema.</summary>
    public bool? Strict { get; init; }
}

/// <summary>How an answer is chosen, and how Ollama would run the model.</summary>
internal sealed record OllamaOptions
{
    /// <summary>0 to 2.</summary>
    public double? Temperature { get; init; }

    /// <summary>0 or more; 0 is off.</summary>
    public int? TopK { get; init; }

    /// <summary>Above 0, at most 1.</summary>
    public double? TopP { get; init; }

    /// <summary>0 to 1.</summary>
    public double? MinP { get; init; }

    /// <summary>Above 0, at most 10; 1 is off.</summary>
    public double? RepeatPenalty { get; init; }

    /// <summary>Only −1, which is the whole context, and 64, Ollama's default, which many clients send.</summary>
    public int? RepeatLastN { get; init; }

    /// <summary>−2 to 2.</summary>
    public double? PresencePenalty { get; init; }

    /// <summary>−2 to 2.</summary>
    public double? FrequencyPenalty { get; init; }

    /// <summary>Same seed and request: same text.</summary>
    public long? Seed { get; init; }

    /// <summary>A text, or an array of up to four.</summary>
    public JsonElement Stop { get; init; }

    /// <summary>The most tokens of the answer; −1 and −2 as many as the context has room for.</summary>
    public int? NumPredict { get; init; }

    /// <summary>At most the model's context, which is there in any case.</summary>
    public int? NumCtx { get; init; }

    /// <summary>Only 0, which is off.</summary>
    public int? Mirostat { get; init; }

    /// <summary>Only 1, which is off.</summary>
    public double? TypicalP { get; init; }

    /// <summary>Accepted, and nothing is done with it: how a model runs is for who serves it to say.</summary>
    public int? NumKeep { get; init; }

    /// <inheritdoc cref="NumKeep"/>
    public int? NumBatch { get; init; }

    /// <inheritdoc cref="NumKeep"/>
    public int? NumGpu { get; init; }

    /// <inheritdoc cref="NumKeep"/>
    public int? MainGpu { get; init; }

    /// <inheritdoc cref="NumKeep"/>
    public int? NumThread { get; init; }

    /// <inheritdoc cref="NumKeep"/>
    public bool? LowVram { get; init; }

    /// <inheritdoc cref="NumKeep"/>
    public bool? UseMmap { get; init; }

    /// <inheritdoc cref="NumKeep"/>
    public bool? UseMlock { get; init; }

    /// <inheritdoc cref="NumKeep"/>
    public bool? Numa { get; init; }
}

/// <summary>Body of POST /api/show.</summary>
internal sealed record OllamaShowRequest
{
    /// <summary>Name of a registered model. Required.</summary>
    public string? Model { get; init; }

    /// <summary>The older name of <c>model</c>.</summary>
    public string? Name { get; init; }

    /// <summary>Accepted, and nothing is done with it: there is no more to tell.</summary>
    public bool? Verbose { get; init; }

    /// <inheritdoc cref="OllamaRequest.CustomHeaders"/>
    [JsonPropertyName("CustomHeaders")]
    public JsonElement CustomHeaders { get; init; }
}
