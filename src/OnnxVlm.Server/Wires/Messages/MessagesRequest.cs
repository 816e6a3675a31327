using System.Text.Json;

namespace OnnxVlm.Server.Wires.Messages;

/// <summary>Body of POST /v1/messages and /v1/messages/count_tokens.</summary>
internal sealed record MessagesRequest
{
    /// <summary>Name of a registered model. Required.</summary>
    public string? Model { get; init; }

    /// <summary>The most tokens of the answer, thinking included; 1 or more. Required, but for counting.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>The conversation. Required. The model goes on with a last message of the assistant.</summary>
    public IReadOnlyList<MessagesMessage?>? Messages { get; init; }

    /// <summary>A text, or an array of text blocks.</summary>
    public JsonElement System { get; init; }

    /// <summary>Texts that end the answer, up to four.</summary>
    public JsonElement StopSequences { get; init; }

    /// <summary>Whether the answer comes as server-sent events. Default false.</summary>
    public bool? Stream { get; init; }

    /// <summary>0 to 2 (Anthropic's own end at 1).</summary>
    public double? Temperature { get; init; }

    /// <summary>Above 0, at most 1.</summary>
    public double? TopP { get; init; }

    /// <summary>0 or more; 0 is off.</summary>
    public int? TopK { get; init; }

    public IReadOnlyList<MessagesTool?>? Tools { get; init; }

    public MessagesToolChoice? ToolChoice { get; init; }

    public MessagesThinking? Thinking { get; init; }

    public MessagesOutput? OutputConfig { get; init; }

    /// <summary>The older name of the format in <c>output_config</c>.</summary>
    public MessagesFormat? OutputFormat { get; init; }

    public MessagesMetadata? Metadata { get; init; }

    /// <summary>Accepted, and nothing is done with it: there is one tier.</summary>
    public string? ServiceTier { get; init; }

    /// <summary>Accepted, and nothing is done with it: every conversation is looked up in the cache.</summary>
    public JsonElement CacheControl { get; init; }
}

/// <summary>Who asks.</summary>
internal sealed record MessagesMetadata
{
    /// <summary>Accepted, and nothing is done with it.</summary>
    public string? UserId { get; init; }
}

/// <summary>Whether a model that can reason does so before it answers.</summary>
internal sealed record MessagesThinking
{
    /// <summary><c>enabled</c>, <c>adaptive</c> or <c>disabled</c>.</summary>
    public string? Type { get; init; }

    /// <summary>Accepted: how long a model thinks is its own to say; <c>max_tokens</c> ends it.</summary>
    public int? BudgetTokens { get; init; }

    /// <summary><c>summarized</c>, which shows the thinking as it is, or <c>omitted</c>.</summary>
    public string? Display { get; init; }
}

/// <summary>How the answer is to be.</summary>
internal sealed record MessagesOutput
{
    public MessagesFormat? Format { get; init; }

    /// <summary>Accepted, and nothing is done with it: how much a model says is its own.</summary>
    public string? Effort { get; init; }
}

/// <summary>The form of the answer.</summary>
internal sealed record MessagesFormat
{
    /// <summary>Only <c>json_schema</c>.</summary>
    public string? Type { get; init; }

    /// <summary>The JSON schema.</summary>
    public JsonElement Schema { get; init; }
}

/// <summary>A function that the answer may call.</summary>
internal sealed record MessagesTool
{
    /// <summary>Only <c>custom</c>; may be absent.</summary>
    public string? Type { get; init; }

    public string? Name { get; init; }

    public string? Description { get; init; }

    /// <summary>The JSON schema of the arguments.</summary>
    public JsonElement InputSchema { get; init; }

    /// <summary>Accepted: calls always follow the schema.</summary>
    public bool? Strict { get; init; }

    /// <inheritdoc cref="MessagesRequest.CacheControl"/>
    public JsonElement CacheControl { get; init; }
}

/// <summary>Whether and which function is called.</summary>
internal sealed record MessagesToolChoice
{
    /// <summary><c>auto</c>, <c>any</c>, <c>tool</c> or <c>none</c>.</summary>
    public string? Type { get; init; }

    /// <summary>Of <c>tool</c>: its name.</summary>
    public string? Name { get; init; }

    /// <summary>Whether the answer is one call at most. Default false.</summary>
    public bool? DisableParallelToolUse { get; init; }
}

/// <summary>One message of a conversation.</summary>
internal sealed record MessagesMessage
{
    /// <summary><c>user</c> or <c>assistant</c>.</summary>
    public string? Role { get; init; }

    /// <summary>A text, or an array of blocks.</summary>
    public JsonElement Content { get; init; }
}

/// <summary>A block that is text.</summary>
internal sealed record MessagesTextBlock
{
    /// <summary><c>text</c>.</summary>
    public string? Type { get; init; }

    public string? Text { get; init; }

    /// <summary>Accepted, and nothing is done with it.</summary>
    public JsonElement Citations { get; init; }

    /// <inheritdoc cref="MessagesRequest.CacheControl"/>
    public JsonElement CacheControl { get; init; }
}

/// <summary>A block that is an image.</summary>
internal sealed record MessagesImageBlock
{
    /// <summary><c>image</c>.</summary>
    public string? Type { get; init; }

    public MessagesImageSource? Source { get; init; }

    /// <inheritdoc cref="MessagesRequest.CacheControl"/>
    public JsonElement CacheControl { get; init; }
}

/// <summary>Where an image comes from.</summary>
internal sealed record MessagesImageSource
{
    /// <summary><c>base64</c>, or <c>url</c> where fetching is switched on.</summary>
    public string? Type { get; init; }

    /// <summary>Accepted: the kind is told by the bytes.</summary>
    public string? MediaType { get; init; }

    /// <summary>Of <c>base64</c>: the file.</summary>
    public string? Data { get; init; }

    /// <summary>Of <c>url</c>: its URL.</summary>
    public string? Url { get; init; }
}

/// <summary>A block that is a call which an earlier answer made.</summary>
internal sealed record MessagesCallBlock
{
    /// <summary><c>tool_use</c>.</summary>
    public string? Type { get; init; }

    public string? Id { get; init; }

    public string? Name { get; init; }

    /// <summary>The arguments, an object.</summary>
    public JsonElement Input { get; init; }

    /// <inheritdoc cref="MessagesRequest.CacheControl"/>
    public JsonElement CacheControl { get; init; }
}

/// <summary>A block that is what a call gave.</summary>
internal sealed record MessagesResultBlock
{
    /// <summary><c>tool_result</c>.</summary>
    public string? Type { get; init; }

    public string? ToolUseId { get; init; }

    /// <summary>A text, or an array of blocks of text and images; absent for nothing.</summary>
    public JsonElement Content { get; init; }

    /// <summary>Whether the call failed. The content says what happened; where there is none, the model is told that it failed.</summary>
    public bool? IsError { get; init; }

    /// <inheritdoc cref="MessagesRequest.CacheControl"/>
    public JsonElement CacheControl { get; init; }
}

/// <summary>A block that is what an earlier answer had thought.</summary>
internal sealed record MessagesThinkingBlock
{
    /// <summary><c>thinking</c>.</summary>
    public string? Type { get; init; }

    /// <summary>The thinking. What of it is read again, the model's chat template decides.</summary>
    public string? Thinking { get; init; }

    /// <summary>Accepted, and nothing is done with it.</summary>
    public string? Signature { get; init; }
}
