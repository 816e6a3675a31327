using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.Server.Wire;

/// <summary>Answer of POST /v1/completions, whole or one event of a stream.</summary>
internal sealed record TextCompletion(string Id, long Created, string Model, IReadOnlyList<TextChoice> Choices)
{
    public string Object { get; } = "text_completion";

    /// <summary>The usage; in a stream as in <see cref="ChatCompletionChunk.Usage"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public JsonElement Usage { get; init; }

    /// <inheritdoc cref="ChatCompletionChunk.PromptProgress"/>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PromptProgress? PromptProgress { get; init; }

    /// <summary>How long it took so far, if that was requested; otherwise absent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Timings? Timings { get; init; }
}

/// <summary>One of the continuations, or what an event adds to it.</summary>
internal sealed record TextChoice(int Index, string Text, TextLogprobs? Logprobs = null, string? FinishReason = null);

/// <summary>Log probabilities, token by token; the offset is in characters of the text.</summary>
internal sealed record TextLogprobs(
    IReadOnlyList<string> Tokens, IReadOnlyList<double> TokenLogprobs, IReadOnlyList<IReadOnlyDictionary<string, double>> TopLogprobs,
    IReadOnlyList<int> TextOffset);
