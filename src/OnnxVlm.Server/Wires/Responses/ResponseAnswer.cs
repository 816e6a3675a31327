using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Prompting;
using OnnxVlm.Server.Endpoints;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Responses;

/// <summary>
/// A response while it comes: its items, and the events of a stream, in OpenAI's order. What an update adds is written once; the whole is put
/// together at the end. Used by one thread at a time.
/// </summary>
/// <param name="body">The request.</param>
/// <param name="request">The same request in the form for the model.</param>
/// <param name="keep">Stores the finished response; null if it is not stored.</param>
internal sealed class ResponseAnswer(ResponsesRequest body, AnswerRequest request, Action<StoredResponse>? keep) : IAnswerWriter
{
    private static readonly JsonElement NoMetadata = JsonElement.Parse("{}"), AutoChoice = JsonElement.Parse("\"auto\"");

    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
    private readonly bool _writesEncrypted = body.Include?.Contains("reasoning.encrypted_content") == true;
    private readonly List<ResponsesItem> _items = [];
    private readonly Dictionary<string, IReadOnlyList<AIContent>> _contents = [];

    // The open item, which is the last one: its text, and the log probabilities of its tokens.
    private readonly StringBuilder _text = new();
    private readonly List<ChatTokenLogprob> _logprobs = [];
    private bool _isOpen;
    private bool _isCut;
    private int _call = -1;
    private int _sequence;

    /// <summary>The response's id.</summary>
    public string Id { get; } = $"resp_{Guid.NewGuid():N}";

    /// <summary>The finished response, JSON; empty before.</summary>
    public ReadOnlyMemory<byte> Whole { get; private set; }

    public IEnumerable<byte[]> Write(AnswerUpdate update) => Add(update).Select(ToBytes);

    public IEnumerable<byte[]> Finish(UsageCounter usage) => End(usage).Select(ToBytes);

    public IEnumerable<byte[]> Fail(ApiException error)
    {
        ResponsesError failure = new(error.Code ?? "server_error", error.Message);
        yield return ToBytes(new ResponsesEvent("error", _sequence++) { Code = failure.Code, Message = failure.Message, Param = error.Param });
        yield return ToBytes(Event("response.failed") with { Response = Body("failed", null) with { Error = failure } });
    }

    /// <summary>Takes an update.</summary>
    /// <param name="update">The update.</param>
    /// <returns>The events that it makes.</returns>
    public IEnumerable<ResponsesEvent> Add(AnswerUpdate update)
    {
        if (_sequence == 0)
        {
            yield return Event("response.created") with { Response = Body("in_progress", null) };
            yield return Event("response.in_progress") with { Response = Body("in_progress", null) };
        }
        if (update.Progress is not null)
            yield break;
        if (update.Reasoning is { Length: > 0 } reasoning)
        {
            foreach (ResponsesEvent opened in Open("reasoning"))
                yield return opened;
            _text.Append(reasoning);
            yield return OfPart("response.reasoning_text.delta") with { Delta = reasoning };
        }
        ChatTokenLogprob[] logprobs = [.. LogprobWriter.ToChat(update.Update)];
        if (update.Update.Text is { Length: > 0 } text)
        {
            foreach (ResponsesEvent opened in Open("message"))
                yield return opened;
            _text.Append(text);
            _logprobs.AddRange(logprobs);
            yield return OfPart("response.output_text.delta") with { Delta = text, Logprobs = logprobs };
        }
        else if (_isOpen && _items[^1].Type == "message")
            _logprobs.AddRange(logprobs);
        foreach (ToolCallDelta delta in update.Calls)
        {
            foreach (ResponsesEvent of in AddCall(delta))
                yield return of;
        }
        _isCut |= update.Update.FinishReason == ChatFinishReason.Length;
    }

    /// <summary>Ends the response.</summary>
    /// <param name="usage">Its tokens.</param>
    /// <returns>The last events.</returns>
    public IEnumerable<ResponsesEvent> End(UsageCounter usage)
    {
        // An answer without text is an empty message.
        if (_items.Count == 0)
        {
            foreach (ResponsesEvent opened in Open("message"))
                yield return opened;
        }
        foreach (ResponsesEvent closed in Close(isLast: true))
            yield return closed;
        string status = _isCut ? "incomplete" : "completed";
        ResponsesBody response = Body(status, new ResponsesUsage(usage.Prompt, new ResponsesInputDetails(usage.Cached), usage.Completion,
            new ResponsesOutputDetails(usage.Reasoning), usage.Prompt + usage.Completion)) with
        {
            CompletedAt = _isCut ? null : DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            IncompleteDetails = _isCut ? new ResponsesIncomplete("max_output_tokens") : null,
        };
        Whole = JsonSerializer.SerializeToUtf8Bytes(response, WireJson.Relaxed.ResponsesBody);
        // Before the client learns of the end, so that its next request finds the response.
        keep?.Invoke(new StoredResponse(
            Id, [.. request.Conversations[0], new ChatMessage(ChatRole.Assistant, [.. _items.SelectMany(item => _contents[item.Id])])], _contents, Whole));
        yield return Event($"response.{status}") with { Response = response };
    }

    private static byte[] ToBytes(ResponsesEvent of) => ServerSentEvent.Of(of, WireJson.Relaxed.ResponsesEvent, of.Type);

    private ResponsesEvent Event(string type) => new(type, _sequence++);

    private ResponsesEvent OfItem(string type) => Event(type) with { ItemId = _items[^1].Id, OutputIndex = _items.Count - 1 };

    private ResponsesEvent OfPart(string type) => OfItem(type) with { ContentIndex = 0 };

    // Begins an item of a kind, unless it is the one that is open.
    private IEnumerable<ResponsesEvent> Open(string kind)
    {
        if (_isOpen && _items[^1].Type == kind)
            yield break;
        foreach (ResponsesEvent closed in Close(isLast: false))
            yield return closed;
        ResponsesItem item = kind == "message"
            ? new ResponsesItem(kind, $"msg_{Guid.NewGuid():N}") { Status = "in_progress", Role = "assistant", Content = [] }
            : new ResponsesItem(kind, $"rs_{Guid.NewGuid():N}") { Status = "in_progress", Summary = [], Content = [] };
        yield return Begin(item);
        yield return OfPart("response.content_part.added") with { Part = Part("") };
    }

    private ResponsesEvent Begin(ResponsesItem item)
    {
        _items.Add(item);
        _isOpen = true;
        return Event("response.output_item.added") with { OutputIndex = _items.Count - 1, Item = item };
    }

    private IEnumerable<ResponsesEvent> AddCall(ToolCallDelta delta)
    {
        if (delta.Index != _call)
        {
            foreach (ResponsesEvent closed in Close(isLast: false))
                yield return closed;
            _call = delta.Index;
            yield return Begin(new ResponsesItem("function_call", $"fc_{Guid.NewGuid():N}")
            {
                Status = "in_progress",
                CallId = delta.CallId,
                Name = delta.Name,
                Arguments = "",
            });
        }
        if (delta.Arguments.Length == 0)
            yield break;
        _text.Append(delta.Arguments);
        yield return OfItem("response.function_call_arguments.delta") with { Delta = delta.Arguments };
    }

    // Ends the item that is open.
    private IEnumerable<ResponsesEvent> Close(bool isLast)
    {
        if (!_isOpen)
            yield break;
        _isOpen = false;
        string text = _text.ToString(), status = isLast && _isCut ? "incomplete" : "completed";
        ResponsesItem item = _items[^1] with { Status = status };
        switch (item.Type)
        {
            case "function_call":
                item = item with { Arguments = text };
                _contents[item.Id] = [FunctionArguments.Parse(item.CallId!, item.Name!, text)];
                yield return OfItem("response.function_call_arguments.done") with { Name = item.Name, Arguments = text };
                break;
            default:
                ResponsesPart part = Part(text);
                bool isMessage = item.Type == "message";
                item = item with
                {
                    Content = [part],
                    EncryptedContent = !isMessage && _writesEncrypted ? Convert.ToBase64String(Encoding.UTF8.GetBytes(text)) : null,
                };
                _contents[item.Id] = [isMessage ? new TextContent(text) : new TextReasoningContent(text)];
                yield return OfPart(isMessage ? "response.output_text.done" : "response.reasoning_text.done") with { Text = text, Logprobs = part.Logprobs };
                yield return OfPart("response.content_part.done") with { Part = part };
                break;
        }
        _items[^1] = item;
        yield return Event("response.output_item.done") with { OutputIndex = _items.Count - 1, Item = item };
        _text.Clear();
        _logprobs.Clear();
    }

    private ResponsesPart Part(string text) => _items[^1].Type == "message"
        ? new ResponsesPart("output_text", text) { Annotations = [], Logprobs = [.. _logprobs] }
        : new ResponsesPart("reasoning_text", text);

    private ResponsesBody Body(string status, ResponsesUsage? usage) => new(Id, _created, request.Model, status, [.. _items])
    {
        Instructions = body.Instructions,
        MaxOutputTokens = body.MaxOutputTokens,
        MaxToolCalls = body.MaxToolCalls,
        Metadata = SamplingReader.IsGiven(body.Metadata) ? body.Metadata : NoMetadata,
        ParallelToolCalls = body.ParallelToolCalls ?? true,
        PreviousResponseId = body.PreviousResponseId,
        PromptCacheKey = body.PromptCacheKey,
        Reasoning = new ResponsesReasoning { Effort = body.Reasoning?.Effort, Summary = body.Reasoning?.Summary },
        SafetyIdentifier = body.SafetyIdentifier,
        Store = keep is not null,
        Temperature = body.Temperature,
        TopP = body.TopP,
        TopLogprobs = body.TopLogprobs ?? 0,
        Text = new ResponsesTextForm(FormatOf(body.Text?.Format), body.Text?.Verbosity ?? "medium"),
        ToolChoice = SamplingReader.IsGiven(body.ToolChoice) ? body.ToolChoice : AutoChoice,
        Tools = [.. (body.Tools ?? []).Select(
            tool => tool! with { Strict = tool.Strict ?? true, Parameters = SamplingReader.IsGiven(tool.Parameters) ? tool.Parameters : NoMetadata })],
        Usage = usage,
        User = body.User,
    };

    private static ResponsesFormatForm FormatOf(ResponsesFormat? format) =>
        format is null ? new ResponsesFormatForm("text") : new ResponsesFormatForm(format.Type!)
    {
        Name = format.Name,
        Description = format.Description,
        Schema = format.Schema,
        Strict = format.Type == "json_schema" ? format.Strict ?? true : null,
    };
}
