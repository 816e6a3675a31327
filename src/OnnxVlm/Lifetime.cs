namespace OnnxVlm;

/// <summary>
/// Lets an object be disposed while others still use it: from then on no use may begin, current users are asked to stop, and the last one to leave
/// releases what the object owns. Thread-safe.
/// </summary>
/// <param name="release">Frees what the object owns; called once.</param>
internal sealed class Lifetime(Action release) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _ending = new();
    private int _users;
    private bool _disposed;

    /// <summary>Cancelled when the object is disposed.</summary>
    public CancellationToken Ending => _ending.Token;

    /// <summary>Throws for a disposed object, before anything begins.</summary>
    /// <param name="owner">Named in the exception.</param>
    /// <exception cref="ObjectDisposedException">The object is disposed.</exception>
    public void ThrowIfDisposed(object owner) => ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), owner);

    /// <summary>Begins a use; disposing the result ends it.</summary>
    /// <param name="owner">Named in the exception.</param>
    /// <exception cref="ObjectDisposedException">The object is disposed.</exception>
    public IDisposable Use(object owner)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, owner);
            _users++;
        }
        return new UseScope(this);
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
            // Disposing counts as a use, so that nobody else releases while the users are being notified.
            _users++;
        }
        _ending.Cancel();
        End();
    }

    private void End()
    {
        lock (_lock)
        {
            if (--_users > 0 || !_disposed)
                return;
        }
        _ending.Dispose();
        release();
    }

    private sealed class UseScope(Lifetime lifetime) : IDisposable
    {
        private Lifetime? _lifetime = lifetime;

        public void Dispose() => Interlocked.Exchange(ref _lifetime, null)?.End();
    }
}
