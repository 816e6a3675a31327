using OnnxVlm.Server.Endpoints;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Responses;

/// <summary>OpenAI's Responses: POST /v1/responses, whole or as a stream, GET and DELETE of one that is kept, and the counting of tokens.</summary>
/// <param name="requests">Reads bodies.</param>
/// <param name="reader">Reads requests.</param>
/// <param name="whole">Sends answers that are whole.</param>
/// <param name="stream">Sends them as they come.</param>
/// <param name="prompts">Builds prompts.</param>
/// <param name="store">Earlier responses.</param>
internal sealed class ResponsesEndpoint(
    RequestReader requests, ResponsesReader reader, WholeAnswer whole, AnswerStream stream, PromptService prompts, ResponseStore store)
{
    public async Task HandleAsync(HttpContext context)
    {
        ResponsesRequest body = await requests.ReadAsync(context, WireJson.Relaxed.ResponsesRequest).ConfigureAwait(false);
        AnswerRequest request = await reader.ReadAsync(body, context).ConfigureAwait(false);
        string scope = ClientKey.ScopeOf(context);
        ResponseAnswer answer = new(body, request, body.Store == false ? null : response => store.Add(scope, response));
        if (body.Stream == true)
        {
            await stream.SendAsync(context, request, answer).ConfigureAwait(false);
            return;
        }
        UsageCounter usage = await whole.CollectAsync(context, request, update => Run(answer.Add(update))).ConfigureAwait(false);
        Run(answer.End(usage));
        await whole.SendAsync(context, answer.Whole).ConfigureAwait(false);

        // Events are made as they are asked for.
        static void Run(IEnumerable<ResponsesEvent> events)
        {
            foreach (ResponsesEvent _ in events)
            {
            }
        }
    }

    public async Task<InputTokens> CountAsync(HttpContext context)
    {
        ResponsesRequest body = await requests.ReadAsync(context, WireJson.Relaxed.ResponsesRequest).ConfigureAwait(false);
        return new InputTokens(
            (await prompts.BuildAsync(context, await reader.ReadAsync(body, context).ConfigureAwait(false)).ConfigureAwait(false)).TokenCount);
    }

    /// <summary>A response that is kept.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="id">Its id.</param>
    /// <exception cref="ApiException">404: this key has none of this id.</exception>
    public Task GetAsync(HttpContext context, string id) => whole.SendAsync(context, (store.Find(ClientKey.ScopeOf(context), id) ?? throw NotFound()).Body);

    /// <summary>Forgets a response.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="id">Its id.</param>
    /// <exception cref="ApiException">404: this key has none of this id.</exception>
    public ResponsesDeleted Delete(HttpContext context, string id) =>
        store.Remove(ClientKey.ScopeOf(context), id) ? new ResponsesDeleted(id) : throw NotFound();

    private static ApiException NotFound() =>
        new(
            StatusCodes.Status404NotFound,
            "There is no response of this id here; it was not stored, its time is over, or it is of another key.",
            "response_id",
            "response_not_found");
}
