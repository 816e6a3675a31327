using OnnxVlm.Server.Endpoints;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Messages;

/// <summary>Anthropic's messages: POST /v1/messages, whole or as a stream, and /v1/messages/count_tokens.</summary>
/// <param name="requests">Reads bodies.</param>
/// <param name="reader">Reads requests.</param>
/// <param name="whole">Sends answers that are whole.</param>
/// <param name="stream">Sends them as they come.</param>
/// <param name="prompts">Builds prompts.</param>
internal sealed class MessagesEndpoint(RequestReader requests, MessagesReader reader, WholeAnswer whole, AnswerStream stream, PromptService prompts)
{
    public async Task HandleAsync(HttpContext context)
    {
        MessagesRequest body = await requests.ReadAsync(context, WireJson.Relaxed.MessagesRequest).ConfigureAwait(false);
        AnswerRequest request = await reader.ReadAsync(body, context).ConfigureAwait(false);
        MessagesAnswer answer = new(request, context.TraceIdentifier);
        if (body.Stream == true)
        {
            await stream.SendAsync(context, request, answer).ConfigureAwait(false);
            return;
        }
        UsageCounter usage = await whole.CollectAsync(context, request, update => Run(answer.Add(update))).ConfigureAwait(false);
        await whole.SendAsync(context, answer.ToWhole(usage), WireJson.Relaxed.MessagesBody).ConfigureAwait(false);

        // Events are made as they are asked for.
        static void Run(IEnumerable<MessagesEvent> events)
        {
            foreach (MessagesEvent _ in events)
            {
            }
        }
    }

    public async Task<MessagesCount> CountAsync(HttpContext context)
    {
        MessagesRequest body = await requests.ReadAsync(context, WireJson.Relaxed.MessagesRequest).ConfigureAwait(false);
        return new MessagesCount(
            (await prompts.BuildAsync(context, await reader.ReadAsync(body, context, isCount: true).ConfigureAwait(false)).ConfigureAwait(false)).TokenCount);
    }
}
