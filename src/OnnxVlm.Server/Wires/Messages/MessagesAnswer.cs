using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Server.Endpoints;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Messages;

/// <summary>
/// An answer while it comes: its blocks, and the events of a stream, in Anthropic's order. What an update adds is written once. Used by one thread at a time.
/// </summary>
/// <param name="request">What is asked.</param>
/// <param name="requestId">The request's id, for errors.</param>
internal sealed class MessagesAnswer(AnswerRequest request, string requestId) : IAnswerWriter
{
    private static readonly byte[] Ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n"u8.ToArray();
    private static readonly JsonElement NoInput = JsonElement.Parse("{}");

    private readonly string _id = $"msg_{Guid.NewGuid():N}";
    private readonly List<MessagesBlock> _blocks = [];
    private readonly StringBuilder _text = new();
    private bool _hasBegun;
    private bool _isOpen;
    private int _call = -1;
    private ChatFinishReason? _finish;
    private string? _stopSequence;

    public ReadOnlyMemory<byte> KeepAlive => Ping;

    public IEnumerable<byte[]> Write(AnswerUpdate update)
    {
        bool isFirst = !_hasBegun;
        foreach (MessagesEvent of in Add(update))
        {
            yield return ToBytes(of);
            if (isFirst)
                yield return Ping;
            isFirst = false;
        }
    }

    public IEnumerable<byte[]> Finish(UsageCounter usage) =>
    [
        .. Close().Select(ToBytes),
        ServerSentEvent.Of(
            new MessagesEndEvent(new MessagesEnd(StopReason, _stopSequence), ToUsage(usage)), WireJson.Relaxed.MessagesEndEvent, "message_delta"),
        ToBytes(new MessagesEvent("message_stop")),
    ];

    public IEnumerable<byte[]> Fail(ApiException error) =>
        [ServerSentEvent.Of(MessagesErrorBody.From(error, requestId), WireJson.Relaxed.MessagesErrorBody, "error")];

    /// <summary>Ends the answer.</summary>
    /// <param name="usage">Its tokens.</param>
    /// <returns>The whole of it.</returns>
    public MessagesBody ToWhole(UsageCounter usage)
    {
        CloseLast();
        return new MessagesBody(_id, request.Model, _blocks, ToUsage(usage)) { StopReason = StopReason, StopSequence = _stopSequence };
    }

    /// <summary>Takes an update.</summary>
    /// <param name="update">The update.</param>
    /// <returns>The events that it makes.</returns>
    public IEnumerable<MessagesEvent> Add(AnswerUpdate update)
    {
        if (!_hasBegun)
        {
            _hasBegun = true;
            long cached = update.Progress?.CachedTokens ?? 0;
            yield return new MessagesEvent("message_start")
            {
                Message = new MessagesBody(_id, request.Model, [], new MessagesUsage((update.Progress?.TokenCount ?? 0) - cached, cached, 0)),
            };
        }
        if (update.Progress is not null)
            yield break;
        if (update.Reasoning is { Length: > 0 } reasoning)
        {
            foreach (MessagesEvent opened in Open(new MessagesBlock("thinking") { Thinking = "", Signature = "" }))
                yield return opened;
            _text.Append(reasoning);
            yield return Delta(new MessagesDelta { Type = "thinking_delta", Thinking = reasoning });
        }
        if (update.Update.Text is { Length: > 0 } text)
        {
            foreach (MessagesEvent opened in Open(new MessagesBlock("text") { Text = "" }))
                yield return opened;
            _text.Append(text);
            yield return Delta(new MessagesDelta { Type = "text_delta", Text = text });
        }
        foreach (ToolCallDelta call in update.Calls)
        {
            if (call.Index != _call)
            {
                _call = call.Index;
                foreach (MessagesEvent of in Close().Append(Begin(new MessagesBlock("tool_use") { Id = call.CallId, Name = call.Name, Input = NoInput })))
                    yield return of;
            }
            if (call.Arguments.Length == 0)
                continue;
            _text.Append(call.Arguments);
            yield return Delta(new MessagesDelta { Type = "input_json_delta", PartialJson = call.Arguments });
        }
        _finish ??= update.Update.FinishReason;
        _stopSequence ??= update.StopSequence;
    }

    private string StopReason =>
        _finish == ChatFinishReason.ToolCalls ? "tool_use"
            : _finish == ChatFinishReason.Length ? "max_tokens"
            : _stopSequence is not null ? "stop_sequence"
            : "end_turn";

    private static MessagesUsage ToUsage(UsageCounter usage) => new(usage.Prompt - usage.Cached, usage.Cached, usage.Completion);

    private static byte[] ToBytes(MessagesEvent of) => ServerSentEvent.Of(of, WireJson.Relaxed.MessagesEvent, of.Type);

    private MessagesEvent Delta(MessagesDelta delta) => new("content_block_delta") { Index = _blocks.Count - 1, Delta = delta };

    // Begins a block, unless one of its kind is open.
    private IEnumerable<MessagesEvent> Open(MessagesBlock block) => _isOpen && _blocks[^1].Type == block.Type ? [] : Close().Append(Begin(block));

    private MessagesEvent Begin(MessagesBlock block)
    {
        CloseLast();
        _blocks.Add(block);
        _isOpen = true;
        return new MessagesEvent("content_block_start") { Index = _blocks.Count - 1, ContentBlock = block };
    }

    // The events come later than the blocks, since they are made as they are asked for.
    private MessagesEvent[] Close()
    {
        if (!_isOpen)
            return [];
        int index = _blocks.Count - 1;
        bool isThinking = _blocks[^1].Type == "thinking";
        CloseLast();
        MessagesEvent stop = new("content_block_stop") { Index = index };
        return isThinking
            ? [new MessagesEvent("content_block_delta") { Index = index, Delta = new MessagesDelta { Type = "signature_delta", Signature = "" } }, stop]
            : [stop];
    }

    private void CloseLast()
    {
        if (!_isOpen)
            return;
        _isOpen = false;
        string text = _text.ToString();
        _text.Clear();
        _blocks[^1] = _blocks[^1].Type switch
        {
            "text" => _blocks[^1] with { Text = text },
            "thinking" => _blocks[^1] with { Thinking = text },
            _ => _blocks[^1] with { Input = ToInput(text) },
        };
    }

    // Arguments that the end of the answer cut off are no object; the stop reason says so.
    private static JsonElement ToInput(string arguments)
    {
        try
        {
            return JsonElement.Parse(arguments) is { ValueKind: JsonValueKind.Object } input ? input : NoInput;
        }
        catch (JsonException)
        {
            return NoInput;
        }
    }
}
