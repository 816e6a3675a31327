using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Telemetry;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>POST /v1/chat/completions, whole or as a stream.</summary>
/// <param name="requests">Reads bodies.</param>
/// <param name="reader">Reads requests.</param>
/// <param name="whole">Sends complete answers.</param>
/// <param name="stream">Sends answers as they are generated.</param>
internal sealed class ChatEndpoint(RequestReader requests, ChatRequestReader reader, WholeAnswer whole, AnswerStream stream)
{
    public async Task HandleAsync(HttpContext context)
    {
        ChatCompletionRequest body = await requests.ReadAsync(context, WireJson.Relaxed.ChatCompletionRequest).ConfigureAwait(false);
        AnswerRequest request = await reader.ReadAsync(body, ClientKey.ClientOf(context), context.RequestAborted).ConfigureAwait(false);
        string id = $"chatcmpl-{Guid.NewGuid():N}";
        long created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        if (body.Stream != true)
        {
            await AnswerWholeAsync(context, request, id, created).ConfigureAwait(false);
            return;
        }
        Dictionary<int, TimingCounter> timings = [];
        await stream.SendAsync(
            context,
            request,
            WireJson.Relaxed.ChatCompletionChunk,
            ToChunks,
            usage => new ChatCompletionChunk(id, created, request.Model, []) { Usage = usage.ToJson() })
            .ConfigureAwait(false);

        IEnumerable<ChatCompletionChunk> ToChunks(AnswerUpdate update)
        {
            bool isFirst = timings.TryAdd(update.Choice, new TimingCounter());
            Timings? times = request.ReportsTimings ? timings[update.Choice].Add(update) : null;
            if (isFirst)
                yield return Chunk(new ChunkChoice(update.Choice, new Delta { IsFirst = true, Content = request.Options.Tools is null ? "" : null }));
            if (update.PromptProgress is { } progress)
            {
                if (request.ReturnProgress)
                    yield return Chunk(new ChunkChoice(update.Choice, new Delta())) with { PromptProgress = progress };
                yield break;
            }
            foreach (ChunkChoice choice in ToChoices(update))
                yield return Chunk(choice) with { Timings = times };
        }

        ChatCompletionChunk Chunk(ChunkChoice choice) =>
            new(id, created, request.Model, [choice]) { Usage = request.IncludeUsage ? UsageCounter.NoUsage : default };
    }

    private async Task AnswerWholeAsync(HttpContext context, AnswerRequest request, string id, long created)
    {
        List<ChatResponseUpdate>[] updates = [.. Enumerable.Range(0, request.Choices).Select(_ => new List<ChatResponseUpdate>())];
        TimingCounter timing = new();
        Timings? times = null;
        UsageCounter usage = await whole.CollectAsync(context, request, update =>
        {
            updates[update.Choice].Add(update.Update);
            if (update.Choice == 0)
                times = timing.Add(update);
        }).ConfigureAwait(false);
        ChatCompletion completion = new(id, created, request.Model, [.. updates.Select((all, index) => ToChoice(index, all))], usage.ToUsage())
        {
            Timings = request.ReportsTimings ? times : null,
        };
        await whole.SendAsync(context, completion, WireJson.Relaxed.ChatCompletion).ConfigureAwait(false);
    }

    private static ChatChoice ToChoice(int index, List<ChatResponseUpdate> updates)
    {
        string text = string.Concat(updates.Select(update => update.Text));
        ResponseToolCall[] calls = [.. ToolCallWriter.ToWhole(updates)];
        ChatTokenLogprob[] logprobs = [.. updates.SelectMany(LogprobWriter.ToChat)];
        string reasoning = string.Concat(updates.Select(ReasoningOf));
        ResponseMessage message = new(text.Length == 0 && calls.Length > 0 ? null : text)
        {
            ReasoningContent = reasoning.Length > 0 ? reasoning : null,
            ToolCalls = calls.Length > 0 ? calls : null,
        };
        return new ChatChoice(index, message, logprobs.Length > 0 ? new ChatLogprobs(logprobs) : null, updates[^1].FinishReason!.Value.Value);
    }

    private static IEnumerable<ChunkChoice> ToChoices(AnswerUpdate answer)
    {
        (int index, ChatResponseUpdate update, _) = answer;
        ChatTokenLogprob[] logprobs = [.. LogprobWriter.ToChat(update)];
        string text = update.Text, reasoning = ReasoningOf(update);
        if (text.Length > 0 || reasoning.Length > 0 || logprobs.Length > 0)
        {
            Delta delta = reasoning.Length > 0 ? new Delta { ReasoningContent = reasoning } : new Delta { Content = text };
            yield return new ChunkChoice(index, delta, logprobs.Length > 0 ? new ChatLogprobs(logprobs) : null);
        }
        foreach (ResponseToolCall part in ToolCallWriter.ToStream(update))
            yield return new ChunkChoice(index, new Delta { ToolCalls = [part] });
        if (update.FinishReason is { } reason)
            yield return new ChunkChoice(index, new Delta(), FinishReason: reason.Value);
    }

    private static string ReasoningOf(ChatResponseUpdate update) =>
        string.Concat(update.Contents.OfType<TextReasoningContent>().Select(content => content.Text));
}
