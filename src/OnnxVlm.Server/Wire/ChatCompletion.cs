using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.Server.Wire;

/// <summary>Answer of POST /v1/chat/completions.</summary>
internal sealed record ChatCompletion(string Id, long Created, string Model, IReadOnlyList<ChatChoice> Choices, Usage Usage)
{
    public string Object { get; } = "chat.completion";

    /// <summary>How long it took, if that was requested; otherwise absent. If there are several answers, the time of the first.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Timings? Timings { get; init; }
}

/// <summary>One of the answers.</summary>
internal sealed record ChatChoice(int Index, ResponseMessage Message, ChatLogprobs? Logprobs, string FinishReason);

/// <summary>The model's message. The content is null if the model called functions and said nothing.</summary>
internal sealed record ResponseMessage(string? Content)
{
    public string Role { get; } = "assistant";

    public string? Refusal { get; }

    /// <summary>
    /// The reasoning before the answer; absent if the model did not reason. Not part of OpenAI's API; the name is that of vLLM and llama.cpp.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ReasoningContent { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ResponseToolCall>? ToolCalls { get; init; }
}

/// <summary>One event of a streamed answer.</summary>
internal sealed record ChatCompletionChunk(string Id, long Created, string Model, IReadOnlyList<ChunkChoice> Choices)
{
    public string Object { get; } = "chat.completion.chunk";

    /// <summary>If usage was requested, the usage in the last chunk and null in the others; otherwise absent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public JsonElement Usage { get; init; }

    /// <summary>The progress of the prompt, if that was requested; otherwise absent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PromptProgress? PromptProgress { get; init; }

    /// <summary>How long it took so far, if that was requested; otherwise absent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Timings? Timings { get; init; }
}

/// <summary>What a chunk adds to one of the answers.</summary>
internal sealed record ChunkChoice(int Index, Delta Delta, ChatLogprobs? Logprobs = null, string? FinishReason = null);

/// <summary>What is new; unchanged fields are absent.</summary>
[JsonConverter(typeof(DeltaConverter))]
internal sealed record Delta
{
    /// <summary>Whether this is the first delta, which names the role.</summary>
    public bool IsFirst { get; init; }

    public string? Content { get; init; }

    public string? ReasoningContent { get; init; }

    public IReadOnlyList<ResponseToolCall>? ToolCalls { get; init; }
}

/// <summary>A function call; in a stream first index, id, type and name, then the arguments in pieces.</summary>
internal sealed record ResponseToolCall
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Index { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Id { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Type { get; init; }

    public required ResponseFunctionCall Function { get; init; }
}

/// <summary>Name and arguments of a call.</summary>
internal sealed record ResponseFunctionCall
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    /// <summary>A JSON object as text, or a piece of it.</summary>
    public required string Arguments { get; init; }
}

/// <summary>Log probabilities of an answer or of a chunk.</summary>
internal sealed record ChatLogprobs(IReadOnlyList<ChatTokenLogprob> Content)
{
    public string? Refusal { get; }
}

/// <summary>Log probability of a token, with the most probable ones in its place.</summary>
internal sealed record ChatTokenLogprob(string Token, double Logprob, IReadOnlyList<int> Bytes)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ChatTokenLogprob>? TopLogprobs { get; init; }
}
