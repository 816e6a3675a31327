using System.Text.Json.Serialization.Metadata;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Telemetry;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>
/// Sends answers as they are generated. While a request waits for its turn nothing is sent, so that it can still get a status code; keep-alive data
/// is sent only once the model is at work.
/// </summary>
/// <param name="answers">Generates answers.</param>
/// <param name="options">The service's options.</param>
/// <param name="log">Writes a line for each request.</param>
internal sealed class AnswerStream(AnswerService answers, ServerOptions options, RequestLog log)
{
    /// <summary>Answers a request.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="request">What is asked.</param>
    /// <param name="writer">How the answer is written.</param>
    public async Task SendAsync(HttpContext context, AnswerRequest request, IAnswerWriter writer)
    {
        using ModelTurn turn = await answers.EnterAsync(request.Model, context, context.RequestAborted).ConfigureAwait(false);
        EventStream events = new(context.Response, options.KeepAlive, options.SendTimeout, turn.Late, writer.MediaType, writer.KeepAlive);
        UsageCounter usage = new(request.Count);
        try
        {
            await using PollableStream<AnswerUpdate> updates = new(answers.AnswerAsync(turn, request, context.RequestAborted));
            while (await events.WaitAsync(updates.NextAsync()).ConfigureAwait(false))
            {
                usage.Add(updates.Current);
                foreach (byte[] piece in writer.Write(updates.Current))
                    await events.SendAsync(piece).ConfigureAwait(false);
            }
            foreach (byte[] piece in writer.Finish(usage))
                await events.SendAsync(piece).ConfigureAwait(false);
            log.Answered(context, request, usage);
        }
        catch (Exception e) when (context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            ApiException error = ApiException.From(e);
            log.Failed(context, error);
            foreach (byte[] piece in writer.Fail(error))
                await events.SendLastAsync(piece).ConfigureAwait(false);
        }
    }

    /// <summary>Answers a request in chunks of one form, in the way that OpenAI's completions are streamed.</summary>
    /// <typeparam name="TChunk">The form of an event.</typeparam>
    /// <param name="context">Who asks.</param>
    /// <param name="request">What is asked.</param>
    /// <param name="form">How an event is written.</param>
    /// <param name="toChunks">The events of an update.</param>
    /// <param name="toUsage">The event with the usage.</param>
    public Task SendAsync<TChunk>(HttpContext context, AnswerRequest request, JsonTypeInfo<TChunk> form, Func<AnswerUpdate, IEnumerable<TChunk>> toChunks,
        Func<UsageCounter, TChunk> toUsage) =>
        SendAsync(context, request, new ChunkWriter<TChunk>(request.IncludeUsage, form, toChunks, toUsage));

    private sealed class ChunkWriter<TChunk>(
        bool includesUsage, JsonTypeInfo<TChunk> form, Func<AnswerUpdate, IEnumerable<TChunk>> toChunks, Func<UsageCounter, TChunk> toUsage) : IAnswerWriter
    {
        public IEnumerable<byte[]> Write(AnswerUpdate update) => toChunks(update).Select(chunk => ServerSentEvent.Of(chunk, form));

        public IEnumerable<byte[]> Finish(UsageCounter usage) =>
            [.. includesUsage ? [ServerSentEvent.Of(toUsage(usage), form)] : Array.Empty<byte[]>(), "data: [DONE]\n\n"u8.ToArray()];

        public IEnumerable<byte[]> Fail(ApiException error) => [ServerSentEvent.Of(error.Body, WireJson.Relaxed.ErrorBody)];
    }
}
