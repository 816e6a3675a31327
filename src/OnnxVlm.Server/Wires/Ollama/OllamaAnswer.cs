using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Server.Endpoints;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Ollama;

/// <summary>An answer while it comes: a line of JSON for each piece, and one with the counts at the end. Used by one thread at a time.</summary>
/// <param name="model">The model as the client named it.</param>
/// <param name="isChat">Whether it is one of /api/chat, and not of /api/generate.</param>
internal sealed class OllamaAnswer(string model, bool isChat) : IAnswerWriter
{
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly TimingCounter _timing = new();
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _thinking = new();
    private readonly List<OllamaCall> _calls = [];
    private readonly List<ChatTokenLogprob> _logprobs = [];
    private Timings? _times;
    private ChatFinishReason? _finish;

    /// <summary>Now, as Ollama writes it.</summary>
    public static string Now => DateTimeOffset.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);

    public string MediaType => "application/x-ndjson";

    public ReadOnlyMemory<byte> KeepAlive => ToBytes(Piece("", "", null));

    public IEnumerable<byte[]> Write(AnswerUpdate update)
    {
        (string text, string thinking, OllamaCall[] calls, ChatTokenLogprob[] logprobs) = Take(update);
        return text.Length + thinking.Length + calls.Length + logprobs.Length == 0
            ? []
            : [ToBytes(Piece(text, thinking, calls) with { Logprobs = logprobs.Length > 0 ? logprobs : null })];
    }

    public IEnumerable<byte[]> Finish(UsageCounter usage) => [ToBytes(Ended(Piece("", "", null), usage))];

    public IEnumerable<byte[]> Fail(ApiException error) =>
        [[.. JsonSerializer.SerializeToUtf8Bytes(new OllamaError(error.Message), WireJson.Relaxed.OllamaError), (byte)'\n']];

    /// <summary>Takes an update of an answer that is sent when it is whole.</summary>
    /// <param name="update">The update.</param>
    public void Add(AnswerUpdate update)
    {
        (string text, string thinking, OllamaCall[] calls, ChatTokenLogprob[] logprobs) = Take(update);
        _text.Append(text);
        _thinking.Append(thinking);
        _calls.AddRange(calls);
        _logprobs.AddRange(logprobs);
    }

    /// <summary>The whole answer, once it has ended.</summary>
    /// <param name="usage">Its tokens.</param>
    public OllamaBody ToWhole(UsageCounter usage) =>
        Ended(Piece(_text.ToString(), _thinking.ToString(), _calls), usage) with { Logprobs = _logprobs.Count > 0 ? _logprobs : null };

    private (string Text, string Thinking, OllamaCall[] Calls, ChatTokenLogprob[] Logprobs) Take(AnswerUpdate update)
    {
        _times = _timing.Add(update);
        _finish ??= update.Update.FinishReason;
        // A call comes when it is whole; one that the end of the answer cuts off has no object for its arguments.
        OllamaCall[] calls = [.. update.Update.Contents.OfType<FunctionCallContent>().Select(call => new OllamaCall
        {
            Id = call.CallId,
            Function = new OllamaCalledFunction
            {
                Name = call.Name,
                Arguments = JsonSerializer.SerializeToElement(
                    call.Arguments ?? new Dictionary<string, object?>(), AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>))),
            },
        })];
        return (update.Update.Text, update.Reasoning, calls, [.. LogprobWriter.ToChat(update.Update)]);
    }

    private OllamaBody Piece(string text, string thinking, IReadOnlyList<OllamaCall>? calls)
    {
        string? shown = thinking.Length > 0 ? thinking : null;
        return isChat
            ? new OllamaBody(model, Now) { Message = new OllamaReply(text) { Thinking = shown, ToolCalls = calls is { Count: > 0 } ? calls : null } }
            : new OllamaBody(model, Now) { Response = text, Thinking = shown };
    }

    private OllamaBody Ended(OllamaBody body, UsageCounter usage) => body with
    {
        Done = true,
        DoneReason = _finish == ChatFinishReason.Length ? "length" : "stop",
        TotalDuration = (long)Stopwatch.GetElapsedTime(_started).TotalNanoseconds,
        LoadDuration = 0,
        PromptEvalCount = usage.Prompt,
        PromptEvalDuration = (long)((_times?.PromptMs ?? 0) * 1e6),
        EvalCount = usage.Completion,
        EvalDuration = (long)((_times?.PredictedMs ?? 0) * 1e6),
    };

    private static byte[] ToBytes(OllamaBody body) => [.. JsonSerializer.SerializeToUtf8Bytes(body, WireJson.Relaxed.OllamaBody), (byte)'\n'];
}
