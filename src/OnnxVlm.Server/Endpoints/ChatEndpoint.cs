using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>POST /v1/chat/completions, whole or as a stream.</summary>
/// <param name="reader">Reads requests.</param>
/// <param name="answers">Generates answers.</param>
/// <param name="options">The service's options.</param>
/// <param name="log">Writes a line for each answer.</param>
internal sealed class ChatEndpoint(ChatRequestReader reader, AnswerService answers, ServerOptions options, AnswerLog log)
{
    public async Task HandleAsync(HttpContext context)
    {
        ChatCompletionRequest body = await RequestBody.ReadAsync(context, WireJson.Relaxed.ChatCompletionRequest).ConfigureAwait(false);
        AnswerRequest request = await reader.ReadAsync(body, context.RequestAborted).ConfigureAwait(false);
        string id = $"chatcmpl-{Guid.NewGuid():N}";
        long created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        if (body.Stream == true)
            await StreamAsync(context, request, id, created).ConfigureAwait(false);
        else
            await AnswerWholeAsync(context, request, id, created).ConfigureAwait(false);
    }

    private async Task AnswerWholeAsync(HttpContext context, AnswerRequest request, string id, long created)
    {
        List<ChatResponseUpdate>[] updates = [.. Enumerable.Range(0, request.Choices).Select(_ => new List<ChatResponseUpdate>())];
        UsageCounter usage = new(request.Count);
        await foreach (AnswerUpdate update in answers.AnswerAsync(request, context, context.RequestAborted).ConfigureAwait(false))
        {
            updates[update.Choice].Add(update.Update);
            usage.Add(update);
        }
        ChatChoice[] choices = [.. updates.Select((all, index) => ToChoice(index, all))];
        log.Answered(context, request, usage, string.Join(',', choices.Select(choice => choice.FinishReason)));
        ChatCompletion completion = new(id, created, request.Model, choices, usage.ToUsage());
        await context.Response.WriteAsJsonAsync(completion, WireJson.Relaxed.ChatCompletion, null, context.RequestAborted).ConfigureAwait(false);
    }

    private static ChatChoice ToChoice(int index, List<ChatResponseUpdate> updates)
    {
        AIContent[] contents = [.. updates.SelectMany(update => update.Contents)];
        string text = string.Concat(contents.OfType<TextContent>().Select(content => content.Text));
        ResponseToolCall[] calls = [.. contents.OfType<FunctionCallContent>().Select(call => ToolCallParts.Whole(call))];
        ChatTokenLogprob[] logprobs = [.. updates.SelectMany(LogprobWriter.Of)];
        ResponseMessage message = new(text.Length == 0 && calls.Length > 0 ? null : text) { ToolCalls = calls.Length > 0 ? calls : null };
        return new ChatChoice(index, message, LogprobWriter.HasAny(updates) ? new ChatLogprobs(logprobs) : null, FinishReasonOf(updates[^1])!);
    }

    private async Task StreamAsync(HttpContext context, AnswerRequest request, string id, long created)
    {
        EventStream events = new(context.Response, options.KeepAlive);
        UsageCounter usage = new(request.Count);
        try
        {
            await using PatientReader<AnswerUpdate> updates = new(answers.AnswerAsync(request, context, context.RequestAborted));
            // Until the model has begun, a request that cannot be honoured still gets its status code.
            int begun = 0;
            List<string> finishReasons = [];
            ToolCallParts calls = new();
            while (await events.WaitAsync(updates.NextAsync()).ConfigureAwait(false))
            {
                (int index, ChatResponseUpdate update) = updates.Current;
                usage.Add(updates.Current);
                if (begun == index)
                {
                    begun++;
                    calls = new();
                    await SendAsync(new ChunkChoice(index, new Delta { IsFirst = true, Content = request.Options.Tools is null ? "" : null })).ConfigureAwait(false);
                }
                foreach (ChunkChoice choice in ToChunks(index, update, calls))
                    await SendAsync(choice).ConfigureAwait(false);
                if (FinishReasonOf(update) is { } reason)
                    finishReasons.Add(reason);
            }
            if (request.IncludeUsage)
                await events.SendAsync(new ChatCompletionChunk(id, created, request.Model, []) { Usage = usage.ToJson() }, WireJson.Relaxed.ChatCompletionChunk).ConfigureAwait(false);
            await events.SendDoneAsync().ConfigureAwait(false);
            log.Answered(context, request, usage, string.Join(',', finishReasons));
        }
        catch (Exception e) when (context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            ApiException error = ApiException.From(e);
            log.Failed(context, error);
            await events.SendErrorAsync(error).ConfigureAwait(false);
        }

        Task SendAsync(ChunkChoice choice) => events.SendAsync(
            new ChatCompletionChunk(id, created, request.Model, [choice]) { Usage = request.IncludeUsage ? UsageCounter.NoUsage : default },
            WireJson.Relaxed.ChatCompletionChunk);
    }

    private static IEnumerable<ChunkChoice> ToChunks(int index, ChatResponseUpdate update, ToolCallParts calls)
    {
        ChatLogprobs? logprobs = LogprobWriter.HasAny([update]) ? new ChatLogprobs([.. LogprobWriter.Of(update)]) : null;
        string text = update.Text;
        if (text.Length > 0 || logprobs is not null)
            yield return new ChunkChoice(index, new Delta { Content = text }, logprobs);
        foreach (FunctionCallContent call in update.Contents.OfType<FunctionCallContent>())
        {
            foreach (ResponseToolCall part in calls.Split(call))
                yield return new ChunkChoice(index, new Delta { ToolCalls = [part] });
        }
        if (FinishReasonOf(update) is { } reason)
            yield return new ChunkChoice(index, new Delta(), FinishReason: reason);
    }

    private static string? FinishReasonOf(ChatResponseUpdate update) => update.FinishReason?.Value;
}
