using OnnxVlm.Chat;
using OnnxVlm.Prompting;
using OnnxVlm.Server.Reading;

namespace OnnxVlm.Server.Endpoints;

/// <summary>Work with a model that is no answer: building a prompt to count it or to look at it. It takes a turn like an answer, and ends with the client and with the time of the turn.</summary>
/// <param name="answers">Gives turns.</param>
internal sealed class PromptService(AnswerService answers)
{
    /// <summary>Builds the prompt of a request.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="request">The request.</param>
    /// <exception cref="ApiException">No turn, no such model, or the request cannot be honoured.</exception>
    public async Task<Prompt> BuildAsync(HttpContext context, AnswerRequest request)
    {
        using ModelTurn turn = await answers.EnterAsync(request.Model, context, context.RequestAborted).ConfigureAwait(false);
        VlmModel model = turn.Model;
        return await RunAsync(turn, context, cancellationToken => new VlmChatClient(model).CreatePrompt(request.Conversations[0], request.Options, cancellationToken)).ConfigureAwait(false);
    }

    /// <summary>Does work within a turn.</summary>
    /// <typeparam name="T">What comes of it.</typeparam>
    /// <param name="turn">The turn.</param>
    /// <param name="context">Who asks.</param>
    /// <param name="work">The work.</param>
    /// <exception cref="ApiException">The request cannot be honoured, or it took too long.</exception>
    public Task<T> RunAsync<T>(ModelTurn turn, HttpContext context, Func<CancellationToken, T> work) => RunAsync(turn, context, cancellationToken => Task.FromResult(work(cancellationToken)));

    /// <summary>The same for work that waits.</summary>
    /// <typeparam name="T">What comes of it.</typeparam>
    /// <param name="turn">The turn.</param>
    /// <param name="context">Who asks.</param>
    /// <param name="work">The work.</param>
    /// <exception cref="ApiException">As above.</exception>
    public async Task<T> RunAsync<T>(ModelTurn turn, HttpContext context, Func<CancellationToken, Task<T>> work)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, turn.Late);
        try
        {
            return await Task.Run(() => work(either.Token), either.Token).ConfigureAwait(false);
        }
        catch (ArgumentException e)
        {
            throw AnswerService.Refused(e);
        }
        catch (OperationCanceledException e) when (turn.Late.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
        {
            throw answers.TooLate(e);
        }
    }
}
