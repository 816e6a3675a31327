using System.Text.Json;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Responses;

/// <summary>Body of POST /v1/responses and /v1/responses/input_tokens.</summary>
internal sealed record ResponsesRequest : SamplingFields
{
    /// <summary>A text, or an array of items. Required, unless <c>previous_response_id</c> is there.</summary>
    public JsonElement Input { get; init; }

    /// <summary>What goes before the system messages of the input; not kept for the next response.</summary>
    public string? Instructions { get; init; }

    /// <summary>The most tokens of the answer, reasoning included; 1 or more.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>Accepted, and nothing is done with it: it counts calls of built-in tools, of which there are none.</summary>
    public int? MaxToolCalls { get; init; }

    /// <summary>Given back with the response.</summary>
    public JsonElement Metadata { get; init; }

    /// <summary>Whether the answer may be several calls. Default true.</summary>
    public bool? ParallelToolCalls { get; init; }

    /// <summary>A response of the same API key that is stored: the conversation goes on after it.</summary>
    public string? PreviousResponseId { get; init; }

    /// <summary>Accepted, and nothing is done with it: every conversation is looked up in the cache.</summary>
    public string? PromptCacheKey { get; init; }

    /// <inheritdoc cref="PromptCacheKey"/>
    public string? PromptCacheRetention { get; init; }

    public ResponsesReasoning? Reasoning { get; init; }

    /// <summary>Accepted, and nothing is done with it.</summary>
    public string? SafetyIdentifier { get; init; }

    /// <summary>Accepted, and nothing is done with it: there is one tier.</summary>
    public string? ServiceTier { get; init; }

    /// <summary>Whether the response is kept for <c>previous_response_id</c> and item references. Default true.</summary>
    public bool? Store { get; init; }

    /// <summary>Whether the answer comes as server-sent events. Default false.</summary>
    public bool? Stream { get; init; }

    public StreamOptions? StreamOptions { get; init; }

    public ResponsesText? Text { get; init; }

    /// <summary><c>none</c>, <c>auto</c>, <c>required</c>, <c>{type: "function", name}</c>, or <c>{type: "allowed_tools", mode, tools}</c>.</summary>
    public JsonElement ToolChoice { get; init; }

    public IReadOnlyList<ResponsesTool?>? Tools { get; init; }

    /// <summary>Alternatives for each token, 0 to 20; needs <c>message.output_text.logprobs</c> in <c>include</c>.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>Only <c>disabled</c>: nothing is left out in silence.</summary>
    public string? Truncation { get; init; }

    /// <summary>Only false.</summary>
    public bool? Background { get; init; }

    /// <summary><c>message.output_text.logprobs</c> and <c>reasoning.encrypted_content</c>.</summary>
    public IReadOnlyList<string?>? Include { get; init; }

    /// <inheritdoc cref="ChatCompletionRequest.ChatTemplateKwargs"/>
    public JsonElement ChatTemplateKwargs { get; init; }
}

/// <summary>Whether a model that can reason does so before it answers.</summary>
internal sealed record ResponsesReasoning
{
    /// <summary><c>none</c>, <c>minimal</c>, <c>low</c>, <c>medium</c>, <c>high</c> or <c>xhigh</c>.</summary>
    public string? Effort { get; init; }

    /// <summary>Only <c>auto</c>: the reasoning itself comes, and nothing is summarized.</summary>
    public string? Summary { get; init; }

    /// <summary>The older name of <c>summary</c>.</summary>
    public string? GenerateSummary { get; init; }
}

/// <summary>The form of the answer.</summary>
internal sealed record ResponsesText
{
    public ResponsesFormat? Format { get; init; }

    /// <inheritdoc cref="ChatCompletionRequest.Verbosity"/>
    public string? Verbosity { get; init; }
}

/// <summary>The form of the answer.</summary>
internal sealed record ResponsesFormat
{
    /// <summary><c>text</c>, <c>json_object</c> or <c>json_schema</c>.</summary>
    public string? Type { get; init; }

    public string? Name { get; init; }

    public string? Description { get; init; }

    /// <summary>The JSON schema.</summary>
    public JsonElement Schema { get; init; }

    /// <summary>Accepted: the answer always follows the schema.</summary>
    public bool? Strict { get; init; }
}

/// <summary>A function that the answer may call.</summary>
internal sealed record ResponsesTool
{
    /// <summary>Only <c>function</c>.</summary>
    public string? Type { get; init; }

    public string? Name { get; init; }

    public string? Description { get; init; }

    /// <summary>The JSON schema of the arguments; absent for none.</summary>
    public JsonElement Parameters { get; init; }

    /// <summary>Accepted: calls always follow the schema.</summary>
    public bool? Strict { get; init; }
}

/// <summary>A tool choice that names functions.</summary>
internal sealed record ResponsesToolChoice
{
    /// <summary><c>function</c> or <c>allowed_tools</c>.</summary>
    public string? Type { get; init; }

    /// <summary>Of <c>function</c>: its name.</summary>
    public string? Name { get; init; }

    /// <summary>Of <c>allowed_tools</c>: <c>auto</c> or <c>required</c>.</summary>
    public string? Mode { get; init; }

    /// <summary>Of <c>allowed_tools</c>: which of the tools.</summary>
    public IReadOnlyList<ResponsesAllowedTool?>? Tools { get; init; }
}

/// <summary>A function that may be called.</summary>
internal sealed record ResponsesAllowedTool
{
    /// <summary>Only <c>function</c>.</summary>
    public string? Type { get; init; }

    public string? Name { get; init; }
}

/// <summary>An item of the input that is a message.</summary>
internal sealed record ResponsesMessage
{
    /// <summary><c>message</c>; may be absent.</summary>
    public string? Type { get; init; }

    public string? Id { get; init; }

    /// <summary><c>user</c>, <c>assistant</c>, <c>system</c> or <c>developer</c>.</summary>
    public string? Role { get; init; }

    /// <summary>Accepted, and nothing is done with it.</summary>
    public string? Status { get; init; }

    /// <summary>Accepted, and nothing is done with it.</summary>
    public string? Phase { get; init; }

    /// <summary>A text, or an array of parts.</summary>
    public JsonElement Content { get; init; }
}

/// <summary>A part that is text: of a message, of a tool's output, or of reasoning.</summary>
internal sealed record ResponsesTextPart
{
    /// <summary><c>input_text</c>, <c>output_text</c>, <c>text</c>, <c>reasoning_text</c> or <c>summary_text</c>.</summary>
    public string? Type { get; init; }

    public string? Text { get; init; }

    /// <summary>Accepted, and nothing is done with it.</summary>
    public JsonElement Annotations { get; init; }

    /// <summary>Accepted, and nothing is done with it.</summary>
    public JsonElement Logprobs { get; init; }
}

/// <summary>A part that is an image.</summary>
internal sealed record ResponsesImagePart
{
    /// <summary><c>input_image</c>.</summary>
    public string? Type { get; init; }

    /// <summary>A data: URI; or a URL, where fetching is switched on.</summary>
    public string? ImageUrl { get; init; }

    /// <inheritdoc cref="Wire.ImageUrl.Detail"/>
    public string? Detail { get; init; }
}

/// <summary>An item of the input that is a call which an earlier answer made.</summary>
internal sealed record ResponsesCall
{
    /// <summary><c>function_call</c>.</summary>
    public string? Type { get; init; }

    public string? Id { get; init; }

    public string? CallId { get; init; }

    public string? Name { get; init; }

    /// <summary>A JSON object as text.</summary>
    public string? Arguments { get; init; }

    /// <summary>Accepted, and nothing is done with it.</summary>
    public string? Status { get; init; }
}

/// <summary>An item of the input that is what a call gave.</summary>
internal sealed record ResponsesCallOutput
{
    /// <summary><c>function_call_output</c>.</summary>
    public string? Type { get; init; }

    public string? Id { get; init; }

    public string? CallId { get; init; }

    /// <summary>A text, or an array of parts.</summary>
    public JsonElement Output { get; init; }

    /// <summary>Accepted, and nothing is done with it.</summary>
    public string? Status { get; init; }
}

/// <summary>An item of the input that is an earlier answer's reasoning.</summary>
internal sealed record ResponsesReasoningItem
{
    /// <summary><c>reasoning</c>.</summary>
    public string? Type { get; init; }

    public string? Id { get; init; }

    /// <summary>Accepted, and nothing is done with it: nothing is summarized here.</summary>
    public IReadOnlyList<ResponsesTextPart?>? Summary { get; init; }

    /// <summary>The reasoning.</summary>
    public IReadOnlyList<ResponsesTextPart?>? Content { get; init; }

    /// <summary>The reasoning as this service writes it: base64 of its text.</summary>
    public string? EncryptedContent { get; init; }

    /// <summary>Accepted, and nothing is done with it.</summary>
    public string? Status { get; init; }
}

/// <summary>An item of the input that stands for one that is stored.</summary>
internal sealed record ResponsesItemReference
{
    /// <summary><c>item_reference</c>; may be absent.</summary>
    public string? Type { get; init; }

    public string? Id { get; init; }
}
