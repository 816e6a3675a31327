namespace OnnxVlm.Imaging;

/// <summary>
/// Admits work by the memory that it needs, in order of arrival: large images wait for each other, and small ones do not overtake a large one that
/// waits. Work larger than the whole budget runs alone. Thread-safe.
/// </summary>
/// <param name="capacityBytes">The memory for all work that runs at the same time, in bytes.</param>
internal sealed class DecodingBudget(long capacityBytes)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiting = [];
    private long _usedBytes;

    /// <summary>The budget of this process: 400 MiB, enough for two images of 40 million pixels.</summary>
    public static DecodingBudget OfProcess { get; } = new(400L << 20);

    /// <summary>The memory of the work that is running, in bytes; for tests.</summary>
    public long UsedBytes
    {
        get
        {
            lock (_lock)
                return _usedBytes;
        }
    }

    /// <summary>The number of waiters; for tests.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
                return _waiting.Count;
        }
    }

    /// <summary>Waits until there is room.</summary>
    /// <param name="sizeBytes">The most memory that the work needs, in bytes.</param>
    /// <param name="cancellationToken">Ends the waiting with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The admission; disposing it makes room for others.</returns>
    public IDisposable Enter(long sizeBytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Waiter waiter = new(this, Math.Min(sizeBytes, capacityBytes));
        lock (_lock)
        {
            waiter.Place = _waiting.AddLast(waiter);
            AdmitFromTheFront();
        }

        try
        {
            waiter.Admission.Wait(cancellationToken);
            return waiter;
        }
        catch (OperationCanceledException)
        {
            waiter.Dispose();
            throw;
        }
    }

    private void AdmitFromTheFront()
    {
        while (_waiting.First?.Value is { } first && _usedBytes + first.SizeBytes <= capacityBytes)
        {
            _waiting.RemoveFirst();
            first.Place = null;
            _usedBytes += first.SizeBytes;
            first.Admission.Release();
        }
    }

    private void Leave(Waiter waiter)
    {
        lock (_lock)
        {
            if (waiter.Place is { } place)
                _waiting.Remove(place);
            else
                _usedBytes -= waiter.SizeBytes;
            AdmitFromTheFront();
        }
    }

    private sealed class Waiter(DecodingBudget budget, long sizeBytes) : IDisposable
    {
        private int _disposed;

        public long SizeBytes => sizeBytes;

        public SemaphoreSlim Admission { get; } = new(0);

        /// <summary>Its place in the queue; null once it is admitted.</summary>
        public LinkedListNode<Waiter>? Place { get; set; }

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
                budget.Leave(this);
        }
    }
}
