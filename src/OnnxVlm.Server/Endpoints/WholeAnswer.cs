using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Telemetry;

namespace OnnxVlm.Server.Endpoints;

/// <summary>Sends answers when they are complete.</summary>
/// <param name="answers">Generates answers.</param>
/// <param name="options">The service's options.</param>
/// <param name="log">Writes a line for each request.</param>
internal sealed class WholeAnswer(AnswerService answers, ServerOptions options, RequestLog log)
{
    /// <summary>
    /// Generates the answers to a request. The turn ends before the answer is sent, so a client that is slow to accept it does not delay others.
    /// </summary>
    /// <param name="context">Who asks.</param>
    /// <param name="request">What is asked.</param>
    /// <param name="take">Receives each update.</param>
    /// <returns>Tokens of the request.</returns>
    /// <exception cref="ApiException">The request cannot be honoured, or it took too long.</exception>
    public async Task<UsageCounter> CollectAsync(HttpContext context, AnswerRequest request, Action<AnswerUpdate> take)
    {
        UsageCounter usage = new(request.Count);
        using (ModelTurn turn = await answers.EnterAsync(request.Model, context, context.RequestAborted).ConfigureAwait(false))
        {
            await foreach (AnswerUpdate update in answers.AnswerAsync(turn, request, context.RequestAborted).ConfigureAwait(false))
            {
                usage.Add(update);
                take(update);
            }
        }
        log.Answered(context, request, usage);
        return usage;
    }

    /// <summary>Sends a body.</summary>
    /// <typeparam name="T">Its form.</typeparam>
    /// <param name="context">Who asked.</param>
    /// <param name="body">The body.</param>
    /// <param name="form">How it is written.</param>
    public Task SendAsync<T>(HttpContext context, T body, JsonTypeInfo<T> form) => SendAsync(context, JsonSerializer.SerializeToUtf8Bytes(body, form));

    /// <summary>Sends a body that is already serialized.</summary>
    /// <param name="context">Who asked.</param>
    /// <param name="body">JSON.</param>
    public Task SendAsync(HttpContext context, ReadOnlyMemory<byte> body)
    {
        context.Response.ContentType = "application/json; charset=utf-8";
        return PatientWriter.WriteAsync(context, body, options.SendTimeout);
    }
}
