using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.Server.Wires.Messages;

/// <summary>Answer of POST /v1/messages; also, without contents, in the first event of a stream.</summary>
internal sealed record MessagesBody(string Id, string Model, IReadOnlyList<MessagesBlock> Content, MessagesUsage Usage)
{
    public string Type { get; } = "message";

    public string Role { get; } = "assistant";

    /// <summary><c>end_turn</c>, <c>max_tokens</c>, <c>stop_sequence</c> or <c>tool_use</c>.</summary>
    public string? StopReason { get; init; }

    /// <summary>The text that ended the answer, or null.</summary>
    public string? StopSequence { get; init; }
}

/// <summary>A block of the answer. What its kind does not have is absent.</summary>
internal sealed record MessagesBlock(string Type)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Text { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Thinking { get; init; }

    /// <summary>Of thinking. Nothing is signed here.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Signature { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Id { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public JsonElement Input { get; init; }
}

/// <summary>Tokens of a request. Those of the prompt that were in the cache are counted apart.</summary>
internal sealed record MessagesUsage(long InputTokens, long CacheReadInputTokens, long OutputTokens)
{
    public long CacheCreationInputTokens { get; }

    public string ServiceTier { get; } = "standard";
}

/// <summary>Answer of POST /v1/messages/count_tokens.</summary>
internal sealed record MessagesCount(int InputTokens);

/// <summary>An event of a streamed answer. What its kind does not have is absent.</summary>
internal sealed record MessagesEvent(string Type)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public MessagesBody? Message { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Index { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public MessagesBlock? ContentBlock { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public MessagesDelta? Delta { get; init; }
}

/// <summary>What an event adds to a block.</summary>
internal sealed record MessagesDelta
{
    public required string Type { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Text { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? PartialJson { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Thinking { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Signature { get; init; }
}

/// <summary>The event with which a streamed answer ends.</summary>
internal sealed record MessagesEndEvent(MessagesEnd Delta, MessagesUsage Usage)
{
    public string Type { get; } = "message_delta";
}

/// <summary>Why a streamed answer ended.</summary>
internal sealed record MessagesEnd(string StopReason, string? StopSequence);

/// <summary>Body of every error of this wire.</summary>
internal sealed record MessagesErrorBody(MessagesError Error, string RequestId)
{
    public string Type { get; } = "error";

    /// <summary>An error in this form.</summary>
    /// <param name="error">The error.</param>
    /// <param name="requestId">The request's id.</param>
    public static MessagesErrorBody From(ApiException error, string requestId) => new(new MessagesError(TypeOf(error.Status), error.Message), requestId);

    private static string TypeOf(int status) => status switch
    {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        504 => "timeout_error",
        >= 500 => "api_error",
        _ => "invalid_request_error",
    };
}

/// <summary>What is wrong.</summary>
internal sealed record MessagesError(string Type, string Message);
