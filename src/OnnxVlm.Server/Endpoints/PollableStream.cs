namespace OnnxVlm.Server.Endpoints;

/// <summary>
/// Reads a stream so that the wait for its next element can be split into several waits. Disposing it ends the stream, even while an element is on its way.
/// </summary>
/// <typeparam name="T">Type of the elements.</typeparam>
internal sealed class PollableStream<T> : IAsyncDisposable
{
    private readonly CancellationTokenSource _ending = new();
    private readonly IAsyncEnumerator<T> _elements;
    private Task<bool> _next = Task.FromResult(true);

    /// <summary>Starts to read.</summary>
    /// <param name="stream">The stream.</param>
    public PollableStream(IAsyncEnumerable<T> stream) => _elements = stream.GetAsyncEnumerator(_ending.Token);

    public T Current => _elements.Current;

    /// <summary>Moves to the next element; the task may be awaited several times.</summary>
    public Task<bool> NextAsync() => _next = _elements.MoveNextAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await ((Task)_next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _elements.DisposeAsync().ConfigureAwait(false);
        _ending.Dispose();
    }
}
