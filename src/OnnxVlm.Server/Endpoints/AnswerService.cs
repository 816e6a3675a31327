using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using OnnxVlm.Server.Admission;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Models;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;

namespace OnnxVlm.Server.Endpoints;

/// <summary>What the endpoints share: a turn with a model, and the answers one after the other.</summary>
/// <param name="queue">Gives turns.</param>
/// <param name="models">The models.</param>
/// <param name="options">The service's options.</param>
internal sealed class AnswerService(AdmissionQueue queue, ModelPool models, ServerOptions options)
{
    /// <summary>Waits for a turn and loads the model, if it is not loaded.</summary>
    /// <param name="name">The model.</param>
    /// <param name="context">Who asks.</param>
    /// <param name="cancellationToken">Ends the waiting with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The turn; disposing it ends it.</returns>
    /// <exception cref="ApiException">No turn, no such model, or it does not load.</exception>
    public async Task<ModelTurn> EnterAsync(string name, HttpContext context, CancellationToken cancellationToken)
    {
        ModelEntry entry = models.Find(name);
        IDisposable turn = await queue.EnterAsync(ClientKey.ClientOf(context), cancellationToken).ConfigureAwait(false);
        try
        {
            return new ModelTurn(turn, await models.RentAsync(entry, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            turn.Dispose();
            throw;
        }
    }

    /// <summary>Generates the answers of a request; a second one finds the prompt of the first in the cache.</summary>
    /// <param name="turn">The turn, which the caller ends.</param>
    /// <param name="request">The request.</param>
    /// <param name="cancellationToken">Ends the answers with <see cref="OperationCanceledException"/>.</param>
    /// <returns>Updates, each with the number of the answer it belongs to.</returns>
    /// <exception cref="ApiException">The request cannot be honoured, or it took too long.</exception>
    public async IAsyncEnumerable<AnswerUpdate> AnswerAsync(ModelTurn turn, AnswerRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using CancellationTokenSource late = new(options.AnswerTimeout);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        for (int choice = 0; choice < request.Choices; choice++)
        {
            await using IAsyncEnumerator<ChatResponseUpdate> updates = Start(turn.Client, request, choice).GetAsyncEnumerator(either.Token);
            while (await MoveNextAsync(updates, late.Token, cancellationToken).ConfigureAwait(false))
                yield return new AnswerUpdate(choice, updates.Current);
        }
    }

    private static IAsyncEnumerable<ChatResponseUpdate> Start(IChatClient client, AnswerRequest request, int choice)
    {
        try
        {
            return client.GetStreamingResponseAsync(request.ConversationOf(choice), request.OptionsOf(choice));
        }
        catch (ArgumentException e)
        {
            throw Refused(e);
        }
    }

    private async Task<bool> MoveNextAsync(IAsyncEnumerator<ChatResponseUpdate> updates, CancellationToken late, CancellationToken ending)
    {
        try
        {
            return await updates.MoveNextAsync().ConfigureAwait(false);
        }
        catch (ArgumentException e)
        {
            // What the client could only find out by asking the model: a token id, a grammar, a message without a place in the template.
            throw Refused(e);
        }
        catch (OperationCanceledException e) when (late.IsCancellationRequested && !ending.IsCancellationRequested)
        {
            throw new ApiException(StatusCodes.Status504GatewayTimeout, $"The answer took longer than {options.AnswerTimeout.TotalSeconds:F0} s; ask for less.", null, "answer_timeout", e);
        }
    }

    /// <summary>What the library refuses, as the client is told: its messages say what is wrong with the request.</summary>
    /// <param name="exception">The refusal.</param>
    public static ApiException Refused(ArgumentException exception)
    {
        string message = exception.Message;
        int parameter = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        message = (parameter >= 0 ? message[..parameter] : message).ReplaceLineEndings(" ");
        bool isSchema = message.Contains("schema", StringComparison.OrdinalIgnoreCase);
        string? param = isSchema ? "response_format" : message.StartsWith("Reasoning", StringComparison.Ordinal) ? "reasoning_effort" : null;
        return new ApiException(StatusCodes.Status400BadRequest, message.Length > 400 ? message[..400] + "…" : message, param, isSchema ? "invalid_schema" : null, exception);
    }
}
