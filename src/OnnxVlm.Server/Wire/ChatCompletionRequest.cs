using System.Text.Json;

namespace OnnxVlm.Server.Wire;

/// <summary>Body of POST /v1/chat/completions.</summary>
internal sealed record ChatCompletionRequest : SamplingRequest
{
    /// <summary>The conversation. Required.</summary>
    public IReadOnlyList<RequestMessage?>? Messages { get; init; }

    /// <summary>The newer name of <c>max_tokens</c>.</summary>
    public int? MaxCompletionTokens { get; init; }

    /// <summary>Whether log probabilities are reported.</summary>
    public bool? Logprobs { get; init; }

    /// <summary>Alternatives for each token, 0 to 20; needs <c>logprobs</c>.</summary>
    public int? TopLogprobs { get; init; }

    public ResponseFormat? ResponseFormat { get; init; }

    public IReadOnlyList<RequestTool?>? Tools { get; init; }

    /// <summary><c>none</c>, <c>auto</c>, <c>required</c>, or <c>{type: "function", function: {name}}</c>.</summary>
    public JsonElement ToolChoice { get; init; }

    /// <summary>Whether the answer may be several calls. Default true.</summary>
    public bool? ParallelToolCalls { get; init; }

    /// <summary>Accepted and ignored.</summary>
    public JsonElement Metadata { get; init; }

    /// <summary>Only false: nothing is stored.</summary>
    public bool? Store { get; init; }

    /// <summary>Accepted and ignored: there is only one tier.</summary>
    public string? ServiceTier { get; init; }

    /// <summary>Accepted and ignored.</summary>
    public string? SafetyIdentifier { get; init; }

    /// <summary>Accepted and ignored: every conversation is looked up in the cache.</summary>
    public string? PromptCacheKey { get; init; }

    /// <summary>Any value except <c>none</c> lets a model that can reason do so before it answers; other models accept only <c>none</c>.</summary>
    public string? ReasoningEffort { get; init; }

    /// <summary>The same in OpenRouter's form.</summary>
    public RequestReasoning? Reasoning { get; init; }

    /// <summary>More variables for the model's chat template; <c>enable_thinking</c> has the same effect as <c>reasoning_effort</c>.</summary>
    public JsonElement ChatTemplateKwargs { get; init; }

    /// <summary>Whether the model continues the last message, which is the assistant's. Default false.</summary>
    public bool? ContinueFinalMessage { get; init; }

    /// <summary>Only the opposite of <c>continue_final_message</c>.</summary>
    public bool? AddGenerationPrompt { get; init; }

    /// <summary><c>low</c>, <c>medium</c> or <c>high</c>. Accepted and ignored: the model decides how much it says.</summary>
    public string? Verbosity { get; init; }

    /// <summary>Only <c>text</c>.</summary>
    public IReadOnlyList<string>? Modalities { get; init; }
}

/// <summary>Whether a model that can reason does so before it answers.</summary>
internal sealed record RequestReasoning
{
    /// <summary>The same as <c>reasoning_effort</c>.</summary>
    public string? Effort { get; init; }

    /// <summary>True is the same as the effort <c>medium</c>, false the same as <c>none</c>.</summary>
    public bool? Enabled { get; init; }

    /// <summary>Whether the reasoning is left out of the answer. Default false.</summary>
    public bool? Exclude { get; init; }
}

/// <summary>One message of a conversation.</summary>
internal sealed record RequestMessage
{
    /// <summary><c>system</c>, <c>developer</c>, <c>user</c>, <c>assistant</c> or <c>tool</c>.</summary>
    public string? Role { get; init; }

    /// <summary>A text, or an array of parts.</summary>
    public JsonElement Content { get; init; }

    /// <summary>The speaker's name; accepted, but not shown to the model.</summary>
    public string? Name { get; init; }

    /// <summary>In an assistant message: the calls it made.</summary>
    public IReadOnlyList<RequestToolCall?>? ToolCalls { get; init; }

    /// <summary>In a tool message: the call that it answers.</summary>
    public string? ToolCallId { get; init; }

    /// <summary>In an assistant message: the refusal that it gave in place of an answer.</summary>
    public string? Refusal { get; init; }

    /// <summary>In an assistant message: the model's earlier reasoning. The model's chat template decides how much of it is read again.</summary>
    public string? ReasoningContent { get; init; }

    /// <summary>Another name of <c>reasoning_content</c>, used by OpenRouter and newer vLLM.</summary>
    public string? Reasoning { get; init; }

    /// <summary>In an assistant message: accepted and ignored, since clients send whole answers back.</summary>
    public JsonElement Annotations { get; init; }
}

/// <summary>A part of a message that is text.</summary>
internal sealed record TextPart
{
    /// <summary><c>text</c>.</summary>
    public string? Type { get; init; }

    public string? Text { get; init; }

    /// <summary>Accepted and ignored: every conversation is looked up in the cache.</summary>
    public JsonElement CacheControl { get; init; }
}

/// <summary>A part of an assistant message that says why there is no answer.</summary>
internal sealed record RefusalPart
{
    /// <summary><c>refusal</c>.</summary>
    public string? Type { get; init; }

    public string? Refusal { get; init; }
}

/// <summary>A part of a message that is an image.</summary>
internal sealed record ImagePart
{
    /// <summary><c>image_url</c>.</summary>
    public string? Type { get; init; }

    /// <summary>An <see cref="Wire.ImageUrl"/>, or its URL as a text.</summary>
    public JsonElement ImageUrl { get; init; }

    /// <inheritdoc cref="TextPart.CacheControl"/>
    public JsonElement CacheControl { get; init; }
}

/// <summary>An image.</summary>
internal sealed record ImageUrl
{
    /// <summary>A data: URI; or a URL, if fetching is enabled.</summary>
    public string? Url { get; init; }

    /// <summary><c>auto</c>, <c>low</c> or <c>high</c>. Accepted and ignored: the model's own rule sets the resolution of an image.</summary>
    public string? Detail { get; init; }
}

/// <summary>A tool choice that names a function.</summary>
internal sealed record NamedToolChoice
{
    /// <summary>Only <c>function</c>.</summary>
    public string? Type { get; init; }

    public NamedFunction? Function { get; init; }
}

/// <summary>The name of a function.</summary>
internal sealed record NamedFunction
{
    public string? Name { get; init; }
}

/// <summary>A call in an assistant message.</summary>
internal sealed record RequestToolCall
{
    public string? Id { get; init; }

    /// <summary>Only <c>function</c>.</summary>
    public string? Type { get; init; }

    public RequestFunctionCall? Function { get; init; }
}

/// <summary>Name and arguments of a call.</summary>
internal sealed record RequestFunctionCall
{
    public string? Name { get; init; }

    /// <summary>A JSON object as text.</summary>
    public string? Arguments { get; init; }
}

/// <summary>A tool that the answer may call.</summary>
internal sealed record RequestTool
{
    /// <summary>Only <c>function</c>.</summary>
    public string? Type { get; init; }

    public RequestFunction? Function { get; init; }
}

/// <summary>A function.</summary>
internal sealed record RequestFunction
{
    public string? Name { get; init; }

    public string? Description { get; init; }

    /// <summary>The JSON schema of the arguments; absent if there are none.</summary>
    public JsonElement Parameters { get; init; }

    /// <summary>Accepted: calls always follow the schema.</summary>
    public bool? Strict { get; init; }
}

/// <summary>The form of the answer.</summary>
internal sealed record ResponseFormat
{
    /// <summary><c>text</c>, <c>json_object</c> or <c>json_schema</c>.</summary>
    public string? Type { get; init; }

    public ResponseSchema? JsonSchema { get; init; }

    /// <summary>With <c>json_object</c> or instead of <c>json_schema</c>: the bare JSON schema, in the form that llama.cpp's server accepts.</summary>
    public JsonElement Schema { get; init; }
}

/// <summary>A schema that the answer follows.</summary>
internal sealed record ResponseSchema
{
    public string? Name { get; init; }

    public string? Description { get; init; }

    /// <summary>The JSON schema.</summary>
    public JsonElement Schema { get; init; }

    /// <summary>Accepted: the answer always follows the schema.</summary>
    public bool? Strict { get; init; }
}
