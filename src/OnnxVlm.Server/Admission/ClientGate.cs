namespace OnnxVlm.Server.Admission;

/// <summary>
/// Shares a limited amount of something between clients. All of them together hold no more than the capacity, and each no more than its share, unless
/// it holds nothing else. A request that does not fit waits, in order of arrival; one that waits for its own client to release something does not
/// delay others. Safe to use from several threads.
/// </summary>
/// <param name="capacity">The total amount.</param>
/// <param name="share">The most that one client may hold.</param>
/// <param name="maxWaiting">How many requests of one client may wait; any further one is refused.</param>
internal sealed class ClientGate(long capacity, long share, int maxWaiting)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Pass> _waiting = new();
    private readonly Dictionary<string, long> _heldBy = [];
    private readonly Dictionary<string, int> _waitingOf = [];
    private long _held;

    /// <summary>The amount that is held now.</summary>
    public long Held => Volatile.Read(ref _held);

    /// <summary>How many requests wait now.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
                return _waiting.Count;
        }
    }

    /// <summary>Waits until there is room.</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="amount">The amount; more than the capacity counts as the whole capacity.</param>
    /// <param name="timeout">The longest time that it waits.</param>
    /// <param name="cancellationToken">Ends the waiting with <see cref="OperationCanceledException"/>.</param>
    /// <returns>What it holds; disposing it gives it back.</returns>
    /// <exception cref="ApiException">429: too many of the client wait, or there was no room in time.</exception>
    public async Task<Pass> EnterAsync(string client, long amount, TimeSpan timeout, CancellationToken cancellationToken)
    {
        Pass pass = new(this, client, Math.Min(amount, capacity));
        lock (_lock)
        {
            if (_waitingOf.GetValueOrDefault(client) >= maxWaiting)
                throw Full();
            pass.Place = _waiting.AddLast(pass);
            Count(_waitingOf, client, 1);
            AdmitWaiting();
        }
        try
        {
            await pass.Admitted.Task.WaitAsync(timeout, cancellationToken).ConfigureAwait(false);
            return pass;
        }
        catch (Exception e)
        {
            pass.Dispose();
            throw e is TimeoutException ? Full() : e;
        }
    }

    private static ApiException Full() =>
        new(StatusCodes.Status429TooManyRequests, "Too many requests are under way; try again later.", null, "queue_full") { RetryAfterSeconds = 1 };

    private static void Count(Dictionary<string, int> counts, string client, int change)
    {
        int count = counts.GetValueOrDefault(client) + change;
        if (count == 0)
            counts.Remove(client);
        else
            counts[client] = count;
    }

    private void AdmitWaiting()
    {
        for (LinkedListNode<Pass>? place = _waiting.First; place is not null;)
        {
            LinkedListNode<Pass>? next = place.Next;
            Pass pass = place.Value;
            if (FitsShare(pass.Client, pass.Amount))
            {
                if (_held + pass.Amount > capacity)
                    return; // it is next: who came later does not pass it
                Leave(pass);
                Hold(pass.Client, pass.Amount);
                pass.Admitted.SetResult();
            }
            place = next;
        }
    }

    private bool FitsShare(string client, long amount) => _heldBy.GetValueOrDefault(client) is var held && (held == 0 || held + amount <= share);

    private void Leave(Pass pass)
    {
        _waiting.Remove(pass.Place!);
        pass.Place = null;
        Count(_waitingOf, pass.Client, -1);
    }

    private void Hold(string client, long change)
    {
        _held += change;
        long held = _heldBy.GetValueOrDefault(client) + change;
        if (held == 0)
            _heldBy.Remove(client);
        else
            _heldBy[client] = held;
    }

    private bool TryGrow(Pass pass, long more)
    {
        lock (_lock)
        {
            if (_held + more > capacity || _heldBy.GetValueOrDefault(pass.Client) is var held && held > pass.Amount && held + more > share)
                return false;
            Hold(pass.Client, more);
            return true;
        }
    }

    private void GiveBack(Pass pass)
    {
        lock (_lock)
        {
            if (pass.Place is not null)
                Leave(pass);
            else
                Hold(pass.Client, -pass.Amount);
            AdmitWaiting();
        }
    }

    /// <summary>The amount that one request holds.</summary>
    internal sealed class Pass(ClientGate gate, string client, long amount) : IDisposable
    {
        private int _disposed;

        public string Client => client;

        public long Amount { get; private set; } = amount;

        public TaskCompletionSource Admitted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Its place in the queue; null once it is admitted.</summary>
        public LinkedListNode<Pass>? Place { get; set; }

        /// <summary>Takes more, if there is room at once: a request that holds something must not wait for others that do too.</summary>
        /// <param name="more">How much more.</param>
        public bool TryGrow(long more)
        {
            if (!gate.TryGrow(this, more))
                return false;
            Amount += more;
            return true;
        }

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
                gate.GiveBack(this);
        }
    }
}
