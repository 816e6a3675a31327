namespace OnnxVlm.Server.Endpoints;

/// <summary>Reads a stream whose next element can be waited for in pieces of time. Disposing it ends the stream, also while an element is on its way.</summary>
/// <typeparam name="T">The elements.</typeparam>
internal sealed class PollableStream<T> : IAsyncDisposable
{
    private readonly CancellationTokenSource _ending = new();
    private readonly IAsyncEnumerator<T> _elements;
    private Task<bool> _next = Task.FromResult(true);

    /// <summary>Begins to read.</summary>
    /// <param name="stream">The stream.</param>
    public PollableStream(IAsyncEnumerable<T> stream) => _elements = stream.GetAsyncEnumerator(_ending.Token);

    public T Current => _elements.Current;

    /// <summary>Goes to the next element; the task may be waited for several times.</summary>
    public Task<bool> NextAsync() => _next = _elements.MoveNextAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await ((Task)_next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _elements.DisposeAsync().ConfigureAwait(false);
        _ending.Dispose();
    }
}
