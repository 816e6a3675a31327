using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Responses;

/// <summary>A response: answer of POST /v1/responses, and what the first and last events of a stream hold.</summary>
internal sealed record ResponsesBody(string Id, long CreatedAt, string Model, string Status, IReadOnlyList<ResponsesItem> Output)
{
    public string Object { get; } = "response";

    public bool Background { get; }

    public long? CompletedAt { get; init; }

    public ResponsesError? Error { get; init; }

    public ResponsesIncomplete? IncompleteDetails { get; init; }

    public string? Instructions { get; init; }

    public int? MaxOutputTokens { get; init; }

    public int? MaxToolCalls { get; init; }

    public JsonElement Metadata { get; init; }

    public bool ParallelToolCalls { get; init; }

    public string? PreviousResponseId { get; init; }

    public string? PromptCacheKey { get; init; }

    public required ResponsesReasoning Reasoning { get; init; }

    public string? SafetyIdentifier { get; init; }

    public string ServiceTier { get; } = "default";

    public bool Store { get; init; }

    public double? Temperature { get; init; }

    public double? TopP { get; init; }

    public int TopLogprobs { get; init; }

    public required ResponsesTextForm Text { get; init; }

    public JsonElement ToolChoice { get; init; }

    public required IReadOnlyList<ResponsesTool> Tools { get; init; }

    public string Truncation { get; } = "disabled";

    public ResponsesUsage? Usage { get; init; }

    public string? User { get; init; }
}

/// <summary>The form of the answer as it is told.</summary>
internal sealed record ResponsesTextForm(ResponsesFormatForm Format, string Verbosity);

/// <summary>The form of the answer as it is told; of one without a schema the type only.</summary>
internal sealed record ResponsesFormatForm(string Type)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Description { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public JsonElement Schema { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Strict { get; init; }
}

/// <summary>Why a response failed.</summary>
internal sealed record ResponsesError(string Code, string Message);

/// <summary>Why a response is not whole: <c>max_output_tokens</c>.</summary>
internal sealed record ResponsesIncomplete(string Reason);

/// <summary>Tokens of a response.</summary>
internal sealed record ResponsesUsage(
    long InputTokens, ResponsesInputDetails InputTokensDetails, long OutputTokens, ResponsesOutputDetails OutputTokensDetails, long TotalTokens);

/// <summary>Tokens of the prompt that were in the cache already.</summary>
internal sealed record ResponsesInputDetails(long CachedTokens);

/// <summary>Tokens of the answer that are reasoning.</summary>
internal sealed record ResponsesOutputDetails(long ReasoningTokens);

/// <summary>An item of the answer: a message, a call or reasoning. What its kind does not have is absent.</summary>
internal sealed record ResponsesItem(string Type, string Id)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Status { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Role { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? CallId { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Arguments { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ResponsesPart>? Summary { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ResponsesPart>? Content { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? EncryptedContent { get; init; }
}

/// <summary>A part of an item. Annotations and log probabilities are those of <c>output_text</c>.</summary>
internal sealed record ResponsesPart(string Type, string Text)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Annotations { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ChatTokenLogprob>? Logprobs { get; init; }
}

/// <summary>An event of a streamed response. What its kind does not have is absent.</summary>
internal sealed record ResponsesEvent(string Type, int SequenceNumber)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ResponsesBody? Response { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ItemId { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? OutputIndex { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? ContentIndex { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ResponsesItem? Item { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ResponsesPart? Part { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Delta { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Text { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ChatTokenLogprob>? Logprobs { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Arguments { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Code { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Message { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Param { get; init; }
}

/// <summary>Answer of DELETE /v1/responses/{id}.</summary>
internal sealed record ResponsesDeleted(string Id)
{
    public string Object { get; } = "response";

    public bool Deleted { get; } = true;
}
