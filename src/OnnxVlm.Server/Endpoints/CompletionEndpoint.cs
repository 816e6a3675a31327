using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Telemetry;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>POST /v1/completions, whole or as a stream: the model continues a text.</summary>
/// <param name="requests">Reads bodies.</param>
/// <param name="reader">Reads requests.</param>
/// <param name="whole">Sends complete answers.</param>
/// <param name="stream">Sends answers as they are generated.</param>
internal sealed class CompletionEndpoint(RequestReader requests, CompletionRequestReader reader, WholeAnswer whole, AnswerStream stream)
{
    public async Task HandleAsync(HttpContext context)
    {
        CompletionRequest body = await requests.ReadAsync(context, WireJson.Relaxed.CompletionRequest).ConfigureAwait(false);
        AnswerRequest request = reader.Read(body);
        string id = $"cmpl-{Guid.NewGuid():N}";
        long created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        bool echo = body.Echo == true;
        if (body.Stream != true)
        {
            await AnswerWholeAsync(context, request, echo, id, created).ConfigureAwait(false);
            return;
        }
        Dictionary<int, int> offsets = [];
        Dictionary<int, TimingCounter> timings = [];
        await stream.SendAsync(
            context,
            request,
            WireJson.Relaxed.TextCompletion,
            ToChunks,
            usage => new TextCompletion(id, created, request.Model, []) { Usage = usage.ToJson() }).ConfigureAwait(false);

        IEnumerable<TextCompletion> ToChunks(AnswerUpdate answer)
        {
            (int index, ChatResponseUpdate update, _) = answer;
            if (offsets.TryAdd(index, 0) && echo)
                yield return Chunk(new TextChoice(index, PromptOf(request, index)));
            Timings? times = null;
            if (request.ReportsTimings)
            {
                timings.TryAdd(index, new TimingCounter());
                times = timings[index].Add(answer);
            }
            if (answer.PromptProgress is { } progress)
            {
                if (request.ReturnProgress)
                    yield return Chunk(new TextChoice(index, "")) with { PromptProgress = progress };
                yield break;
            }
            int offset = offsets[index];
            TextLogprobs? logprobs = LogprobWriter.ToText([update], ref offset);
            offsets[index] = offset;
            string text = update.Text;
            if (text.Length > 0 || logprobs is not null || update.FinishReason is not null)
                yield return Chunk(new TextChoice(index, text, logprobs, update.FinishReason?.Value)) with { Timings = times };
        }

        TextCompletion Chunk(TextChoice choice) => new(id, created, request.Model, [choice]) { Usage = request.IncludeUsage ? UsageCounter.NoUsage : default };
    }

    private async Task AnswerWholeAsync(HttpContext context, AnswerRequest request, bool echo, string id, long created)
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
        TextCompletion completion =
            new(id, created, request.Model, [.. updates.Select(ToChoice)]) { Usage = usage.ToJson(), Timings = request.ReportsTimings ? times : null };
        await whole.SendAsync(context, completion, WireJson.Relaxed.TextCompletion).ConfigureAwait(false);

        TextChoice ToChoice(List<ChatResponseUpdate> all, int index)
        {
            int offset = 0;
            string text = string.Concat(all.Select(update => update.Text));
            return new TextChoice(
                index, echo ? PromptOf(request, index) + text : text, LogprobWriter.ToText(all, ref offset), all[^1].FinishReason!.Value.Value);
        }
    }

    private static string PromptOf(AnswerRequest request, int choice) => request.ConversationOf(choice)[0].Text;
}
