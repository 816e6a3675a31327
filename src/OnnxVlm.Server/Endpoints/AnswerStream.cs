using System.Text.Json.Serialization.Metadata;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Telemetry;

namespace OnnxVlm.Server.Endpoints;

/// <summary>
/// Sends answers as server-sent events. While a request waits for its turn nothing is sent, so that it can still get a status code; comments come once the model is at work.
/// </summary>
/// <param name="answers">Generates answers.</param>
/// <param name="options">The service's options.</param>
/// <param name="log">Writes a line for each request.</param>
internal sealed class AnswerStream(AnswerService answers, ServerOptions options, RequestLog log)
{
    /// <summary>Answers a request.</summary>
    /// <typeparam name="TChunk">The form of an event.</typeparam>
    /// <param name="context">Who asks.</param>
    /// <param name="request">What is asked.</param>
    /// <param name="form">How an event is written.</param>
    /// <param name="toChunks">The events of an update.</param>
    /// <param name="toUsage">The event with the usage.</param>
    public async Task SendAsync<TChunk>(HttpContext context, AnswerRequest request, JsonTypeInfo<TChunk> form, Func<AnswerUpdate, IEnumerable<TChunk>> toChunks, Func<UsageCounter, TChunk> toUsage)
    {
        using ModelTurn turn = await answers.EnterAsync(request.Model, context, context.RequestAborted).ConfigureAwait(false);
        EventStream events = new(context.Response, options.KeepAlive, options.SendTimeout, turn.Late);
        UsageCounter usage = new(request.Count);
        try
        {
            await using PollableStream<AnswerUpdate> updates = new(answers.AnswerAsync(turn, request, context.RequestAborted));
            while (await events.WaitAsync(updates.NextAsync()).ConfigureAwait(false))
            {
                usage.Add(updates.Current);
                foreach (TChunk chunk in toChunks(updates.Current))
                    await events.SendAsync(chunk, form).ConfigureAwait(false);
            }
            if (request.IncludeUsage)
                await events.SendAsync(toUsage(usage), form).ConfigureAwait(false);
            await events.SendDoneAsync().ConfigureAwait(false);
            log.Answered(context, request, usage);
        }
        catch (Exception e) when (context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            ApiException error = ApiException.From(e);
            log.Failed(context, error);
            await events.SendErrorAsync(error).ConfigureAwait(false);
        }
    }
}
