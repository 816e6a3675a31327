using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Admission;

/// <summary>
/// Lets a limited number of answers run and a limited number wait. It is fair: clients take turns, and the requests of one client keep their order.
/// When all places are taken, the client with the most of them loses one to another client, so a client with many requests mostly delays itself. Safe
/// to use from several threads.
/// </summary>
/// <param name="options">How many may run and wait, and for how long.</param>
internal sealed class AdmissionQueue(ServerOptions options)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedList<TaskCompletionSource>> _waitersOfClient = [];

    // Clients with waiting requests; the next one is first.
    private readonly LinkedList<string> _turns = new();
    private int _running;
    private int _waiting;
    private bool _closed;

    /// <summary>Answers that run now.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>Requests that wait now.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Waits for a turn.</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="cancellationToken">Ends the waiting with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The turn; disposing it ends it.</returns>
    /// <exception cref="ApiException">429: too many wait, or the turn did not come in time. 503: the service is stopping.</exception>
    public async Task<IDisposable> EnterAsync(string client, CancellationToken cancellationToken)
    {
        TaskCompletionSource waiter = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_closed)
                throw Stopping();
            if (_running < options.MaxRunning)
            {
                _running++;
                return new Turn(this);
            }
            if (_waiting >= options.MaxWaiting && !MakeRoomFor(client))
                throw Full("Too many requests are waiting; try again later.");
            Add(client, waiter);
        }
        try
        {
            await waiter.Task.WaitAsync(options.QueueTimeout, cancellationToken).ConfigureAwait(false);
            return new Turn(this);
        }
        catch (Exception e)
        {
            // The turn may have arrived at the last moment; then it passes to the next request.
            if (!Remove(client, waiter) && waiter.Task.IsCompletedSuccessfully)
                Leave();
            throw e is TimeoutException ? Full("The service is too busy: the request's turn did not come in time; try again later.") : e;
        }
    }

    /// <summary>Turns away all waiting and new requests; running ones continue.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            foreach (TaskCompletionSource waiter in _waitersOfClient.Values.SelectMany(waiters => waiters))
                waiter.SetException(Stopping());
            _waitersOfClient.Clear();
            _turns.Clear();
            _waiting = 0;
        }
    }

    private static ApiException Stopping() =>
        new(StatusCodes.Status503ServiceUnavailable, "The service is stopping; ask again later.", null, "stopping") { RetryAfterSeconds = 5 };

    // An estimate: each answer takes about a second.
    private ApiException Full(string message) =>
        new(StatusCodes.Status429TooManyRequests, message, null, "queue_full") { RetryAfterSeconds = Math.Clamp(Waiting / options.MaxRunning, 1, 60) };

    private void Add(string client, TaskCompletionSource waiter)
    {
        if (!_waitersOfClient.TryGetValue(client, out LinkedList<TaskCompletionSource>? waiters))
        {
            _waitersOfClient[client] = waiters = new();
            _turns.AddLast(client);
        }
        waiters.AddLast(waiter);
        _waiting++;
    }

    // The client with the most waiting requests gives up its last one to a client with fewer, so no client can take all the places.
    private bool MakeRoomFor(string client)
    {
        if (_waitersOfClient.Count == 0)
            return false;
        (string heaviest, LinkedList<TaskCompletionSource> waiters) = _waitersOfClient.MaxBy(entry => entry.Value.Count);
        if (waiters.Count <= 1 + (_waitersOfClient.GetValueOrDefault(client)?.Count ?? 0))
            return false;
        TaskCompletionSource last = waiters.Last!.Value;
        waiters.RemoveLast();
        _waiting--;
        last.SetException(Full("Too many requests of this client are waiting; try again later."));
        return true;
    }

    private bool Remove(string client, TaskCompletionSource waiter)
    {
        lock (_lock)
        {
            if (!_waitersOfClient.TryGetValue(client, out LinkedList<TaskCompletionSource>? waiters) || !waiters.Remove(waiter))
                return false;
            _waiting--;
            if (waiters.Count == 0)
            {
                _waitersOfClient.Remove(client);
                _turns.Remove(client);
            }
            return true;
        }
    }

    private void Leave()
    {
        lock (_lock)
        {
            if (_turns.First is not { } turn)
            {
                _running--;
                return;
            }
            // The next request takes the place of the one that leaves.
            string client = turn.Value;
            LinkedList<TaskCompletionSource> waiters = _waitersOfClient[client];
            waiters.First!.Value.SetResult();
            waiters.RemoveFirst();
            _waiting--;
            _turns.RemoveFirst();
            if (waiters.Count == 0)
                _waitersOfClient.Remove(client);
            else
                _turns.AddLast(client);
        }
    }

    private sealed class Turn(AdmissionQueue queue) : IDisposable
    {
        private AdmissionQueue? _queue = queue;

        public void Dispose() => Interlocked.Exchange(ref _queue, null)?.Leave();
    }
}
