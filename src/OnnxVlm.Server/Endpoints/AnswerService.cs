using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Server.Admission;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Models;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;

namespace OnnxVlm.Server.Endpoints;

/// <summary>Shared by the endpoints: a turn with a model, and the answers one after the other.</summary>
/// <param name="queue">Gives turns.</param>
/// <param name="models">The models.</param>
/// <param name="options">The service's options.</param>
internal sealed class AnswerService(AdmissionQueue queue, ModelPool models, ServerOptions options)
{
    /// <summary>Waits for a turn, and loads the model if it is not loaded.</summary>
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
            string scope = options.ShareCache ? ClientKey.SharedScope : ClientKey.ScopeOf(context);
            return new ModelTurn(turn, await models.RentAsync(entry, cancellationToken).ConfigureAwait(false), scope, options.AnswerTimeout);
        }
        catch
        {
            turn.Dispose();
            throw;
        }
    }

    /// <summary>Generates the answers of a request in parallel; they share what the model reads of their prompt.</summary>
    /// <param name="turn">The turn, which the caller ends.</param>
    /// <param name="request">The request.</param>
    /// <param name="cancellationToken">Ends the answers with <see cref="OperationCanceledException"/>.</param>
    /// <returns>Updates, each with the number of the answer it belongs to; those of one answer in their order.</returns>
    /// <exception cref="ApiException">The request cannot be honoured, or it took too long.</exception>
    public async IAsyncEnumerable<AnswerUpdate> AnswerAsync(ModelTurn turn, AnswerRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, turn.Late);
        // An answer waits for a client that is slower than the model.
        Channel<AnswerUpdate> updates = Channel.CreateBounded<AnswerUpdate>(request.Choices);
        Task answers = Task.WhenAll(Enumerable.Range(0, request.Choices).Select(choice => Task.Run(() => ForwardAsync(choice), CancellationToken.None)));
        Task completion = CompleteAsync();
        try
        {
            await foreach (AnswerUpdate update in updates.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
                yield return update;
        }
        finally
        {
            await either.CancelAsync().ConfigureAwait(false);
            await completion.ConfigureAwait(false);
        }

        async Task ForwardAsync(int choice)
        {
            try
            {
                ChatOptions chosen = OptionsOf(
                    turn, request, choice, progress => updates.Writer.TryWrite(new AnswerUpdate(choice, new ChatResponseUpdate(), progress)));
                await using IAsyncEnumerator<ChatResponseUpdate> pieces = Start(turn.Client, request.ConversationOf(choice), chosen)
                    .GetAsyncEnumerator(either.Token);
                while (await MoveNextAsync(pieces, turn.Late, cancellationToken).ConfigureAwait(false))
                    await updates.Writer.WriteAsync(new AnswerUpdate(choice, pieces.Current), either.Token).ConfigureAwait(false);
            }
            catch
            {
                // One failure is the failure of the request; the other answers end with it.
                await either.CancelAsync().ConfigureAwait(false);
                throw;
            }
        }

        async Task CompleteAsync()
        {
            await answers.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            updates.Writer.Complete(answers.Exception?.InnerException ?? (answers.IsCanceled ? new OperationCanceledException(cancellationToken) : null));
        }
    }

    private static ChatOptions OptionsOf(ModelTurn turn, AnswerRequest request, int choice, Action<PrefillProgress> onPrefill)
    {
        ChatOptions options = request.OptionsOf(choice).Clone();
        options.AdditionalProperties = new AdditionalPropertiesDictionary(options.AdditionalProperties ?? [])
        {
            [ChatProperties.CacheScope] = request.UsesCache ? turn.Scope : $"{turn.Scope} {Guid.NewGuid():N}",
        };
        if (request.NeedsProgress)
            options.AdditionalProperties[ChatProperties.OnPrefill] = onPrefill;
        return options;
    }

    private static IAsyncEnumerable<ChatResponseUpdate> Start(IChatClient client, IReadOnlyList<ChatMessage> conversation, ChatOptions options)
    {
        try
        {
            return client.GetStreamingResponseAsync(conversation, options);
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
            // Errors that the client could only find by asking the model: a token id, a grammar, a message without a place in the template.
            throw Refused(e);
        }
        catch (OperationCanceledException e) when (late.IsCancellationRequested && !ending.IsCancellationRequested)
        {
            throw TooLate(e);
        }
    }

    /// <summary>The error for a turn whose time is up.</summary>
    /// <param name="exception">The exception that ended it.</param>
    public ApiException TooLate(OperationCanceledException exception) =>
        new(
            StatusCodes.Status504GatewayTimeout,
            $"The answer took longer than {options.AnswerTimeout.TotalSeconds:F0} s; ask for less.",
            null,
            "answer_timeout",
            exception);

    // Options that have the same name in the library and on the wire.
    private static string? FieldOf(string message) =>
        Array.Find([ChatProperties.ChatTemplateKwargs, ChatProperties.ContinueFinalMessage, ChatProperties.Choice],
            name => message.StartsWith(name, StringComparison.Ordinal));

    /// <summary>A refusal by the library, as the client sees it: its messages say what is wrong with the request.</summary>
    /// <param name="exception">The refusal.</param>
    public static ApiException Refused(ArgumentException exception)
    {
        string message = AnswerMessage.Of(exception);
        bool isSchema = message.Contains("schema", StringComparison.OrdinalIgnoreCase);
        string? param = message.StartsWith("Tools: ", StringComparison.Ordinal)
            ? "tools"
            : isSchema ? "response_format"
            : message.StartsWith("Reasoning", StringComparison.Ordinal) ? "reasoning_effort"
            : FieldOf(message);
        return new ApiException(StatusCodes.Status400BadRequest, message, param, isSchema ? "invalid_schema" : null, exception);
    }
}
