using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>
/// The rows of a model: those of running answers, and idle ones of past answers, so that a prompt that begins like one of them is not read again from the
/// start. A prompt can also continue from a copy of a row that is in use, and waits for a row that is just reading their common part. All rows together stay
/// within a budget: a request reserves what it may need before it is read, waits until there is room, and never fails midway for lack of it. Thread-safe.
/// </summary>
/// <param name="decoder">Creates the sequences.</param>
/// <param name="budgetBytes">Memory for all rows.</param>
/// <param name="keepsIdle">Whether rows of past answers stay.</param>
internal sealed class RowCache(IDecoder decoder, long budgetBytes, bool keepsIdle) : IDisposable
{
    // Copying less is not worth the wait.
    private const int LeastShared = 8;

    private readonly Lock _lock = new();

    // The least recently used one comes first.
    private readonly List<CachedRow> _rows = [];
    private readonly LinkedList<Waiter> _waiters = new();
    private (long Bytes, int Waiting) _reported;
    private bool _disposed;

    /// <summary>The budget, in bytes.</summary>
    public long BudgetBytes => budgetBytes;

    /// <summary>Bytes that rows hold or have reserved, the number of requests that wait for room, and of rows in use and idle.</summary>
    public (long Bytes, int Waiting, int Running, int Idle) Usage
    {
        get
        {
            lock (_lock)
                return (UsedBytes, _waiters.Count, _rows.Count(row => row.IsRunning), _rows.Count(row => !row.IsRunning));
        }
    }

    private long UsedBytes => _rows.Sum(BytesOf);

    // The rest is for states that are saved during reading.
    private long RowBytes => budgetBytes - decoder.SavedStateBytes;

    /// <summary>Takes the row that saves the most of a prompt, or a copy of it, or an empty one; waits until there is room.</summary>
    /// <param name="request">What will be read and generated.</param>
    /// <param name="cancellationToken">Ends the waiting with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The row; what its sequence holds is the beginning of the prompt. The caller returns it.</returns>
    /// <exception cref="PromptTooLongException">The request does not fit into the budget, even alone.</exception>
    public async Task<CachedRow> TakeAsync(RowRequest request, CancellationToken cancellationToken)
    {
        long needed = BytesFor(request.Tokens);
        if (needed > RowBytes)
        {
            throw new PromptTooLongException(
                $"The request needs {Megabytes(needed)} of key-value cache: {request.Prompt.Keys.Length} tokens of prompt "
                + $"and {request.Tokens - request.Prompt.Keys.Length} of answer; "
                + $"the model may take {Megabytes(RowBytes)}. Shorten the prompt, ask for fewer tokens, or raise CacheBytes.");
        }
        Waiter waiter = new(request);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _waiters.AddLast(waiter);
            Admit();
        }
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(_ => GiveUp(waiter, cancellationToken), null);
        (CachedRow row, CachedRow? source) = await waiter.Admission.Task.ConfigureAwait(false);
        try
        {
            if (source is not null)
                await FollowAsync(row, source, request.Prompt, cancellationToken).ConfigureAwait(false);
            return row;
        }
        catch
        {
            Return(row);
            throw;
        }
    }

    /// <summary>Records what a row is going to read in addition to its prompt.</summary>
    /// <param name="row">A row in use.</param>
    /// <param name="segments">Text and images.</param>
    /// <param name="tokens">The most tokens that the row may hold from now on.</param>
    public void Extend(CachedRow row, IEnumerable<PromptSegment> segments, int tokens)
    {
        lock (_lock)
        {
            row.Keys.AddRange(segments.SelectMany(PromptKeys.KeysOf));
            row.ReservedTokens = Math.Max(row.ReservedTokens, tokens);
        }
    }

    /// <summary>Records that a row has read its prompt, or will not.</summary>
    /// <param name="row">A row in use.</param>
    public void EndPrompt(CachedRow row)
    {
        lock (_lock)
            row.IsReading = false;
        row.ReportProgress();
    }

    /// <summary>Returns a row; it stays for later prompts or is disposed.</summary>
    /// <param name="row">A row that is not reading anything.</param>
    public void Return(CachedRow row)
    {
        lock (_lock)
        {
            row.ReservedTokens = 0;
            int length = row.Sequence.Length;
            row.Keys.RemoveRange(length, row.Keys.Count - length);
            _rows.Remove(row);
            if (_disposed || !keepsIdle || !decoder.CanAppend || length == 0)
                row.Sequence.Dispose();
            else
                _rows.Add(row);
            while (UsedBytes > RowBytes && _rows.Find(other => !other.IsRunning) is { } oldest)
                Drop(oldest);
            Admit();
        }
        EndPrompt(row);
    }

    /// <summary>Frees the idle rows; those in use are freed when they are returned.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (CachedRow row in _rows.Where(row => !row.IsRunning).ToArray())
                Drop(row);
            foreach (Waiter waiter in _waiters)
                waiter.Admission.SetException(new ObjectDisposedException(nameof(RowCache)));
            _waiters.Clear();
            Report();
        }
    }

    private static string Megabytes(long bytes) => $"{bytes / 1048576.0:N0} MiB";

    private long BytesFor(int tokens) => decoder.BytesFor(tokens);

    private long BytesOf(CachedRow row) => Math.Max(row.Sequence.SizeBytes, row.IsRunning ? BytesFor(row.ReservedTokens) : 0);

    // A row that is reading its prompt will have states that it does not have yet.
    private static int UsableOf(CachedRow row, int shared) => row.IsReading && row.Sequence.Length < shared ? shared : row.Sequence.Restorable(shared);

    private void GiveUp(Waiter waiter, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            // Otherwise it has already been admitted, and will notice by itself.
            if (_waiters.Remove(waiter))
                waiter.Admission.SetCanceled(cancellationToken);
            Report();
        }
    }

    private void Report()
    {
        (long Bytes, int Waiting) now = (UsedBytes, _waiters.Count);
        RowMetrics.CacheChanged(now.Bytes - _reported.Bytes, now.Waiting - _reported.Waiting);
        _reported = now;
    }

    // In order of arrival; otherwise a large request would wait forever behind small ones.
    private void Admit()
    {
        while (_waiters.First?.Value is { } waiter)
        {
            try
            {
                if (TryTake(waiter.Request) is not { } taken)
                    break;
                waiter.Admission.SetResult(taken);
            }
            catch (Exception e)
            {
                // The failure belongs to the waiting request, not to the one that made room.
                waiter.Admission.SetException(e);
            }
            _waiters.RemoveFirst();
        }
        Report();
    }

    private (CachedRow Row, CachedRow? Source)? TryTake(RowRequest request)
    {
        (CachedRow? best, int shared, request.ForgottenTokens) = MostShared(request);
        // A short common beginning, such as the same system message, is not worth losing another conversation's row. A next turn may differ from the
        // position where the last answer began: some templates write a past answer differently from the way they ask for one.
        bool takesOver = best is { IsRunning: false } && (!decoder.CanFork || 2 * shared >= Math.Min(best.Keys.Count, request.Prompt.Keys.Length));
        if (!takesOver && !TryMakeRoom(request, spared: best, isNew: true))
        {
            // If there is no room for a copy, the row itself is continued, provided nobody uses it.
            if (best is not { IsRunning: false })
                return TryMakeRoom(request, spared: null, isNew: true) ? (Start(request), null) : null;
            takesOver = true;
        }
        if (takesOver)
        {
            if (!TryMakeRoom(request, spared: best, isNew: false))
                return null;
            best!.Sequence.RewindTo(shared);
            Use(best, request);
            return (best, null);
        }
        return (Start(request), best);
    }

    /// <summary>The row that shares the most with a prompt: one that can be taken over or, if the decoder copies rows, any.</summary>
    /// <returns>The row, what it shares and can go back to, and the most that any row shares and cannot go back to.</returns>
    private (CachedRow? Row, int Shared, int Forgotten) MostShared(RowRequest request)
    {
        (CachedRow? Row, int Shared) best = (null, 0);
        int forgotten = 0;
        foreach (CachedRow row in _rows)
        {
            bool fits = row.Sequence.MaxLength >= request.Tokens && row.Sequence.PatchCapacity >= request.PatchCapacity;
            if (row.Scope != request.Scope || !(decoder.CanFork || (fits && !row.IsRunning)))
                continue;
            int read = request.Prompt.SharedWith(row.FirstKeys(int.MaxValue)), shared = UsableOf(row, read);
            if (shared < Math.Min(read, row.Sequence.Length))
                forgotten = Math.Max(forgotten, read);
            if (!decoder.CanRewind && shared < row.Keys.Count)
                continue;
            if (shared > best.Shared && (!decoder.CanFork || shared >= LeastShared))
                best = (row, shared);
        }
        return (best.Row, best.Shared, forgotten);
    }

    /// <summary>Drops idle rows until a request fits; drops none if it would not fit even then.</summary>
    private bool TryMakeRoom(RowRequest request, CachedRow? spared, bool isNew)
    {
        long needed = BytesFor(request.Tokens) - (isNew ? 0 : BytesOf(spared!));
        long free = RowBytes - UsedBytes;
        CachedRow[] idle = [.. _rows.Where(row => !row.IsRunning && row != spared)];
        if (free + idle.Sum(BytesOf) < needed || (isNew && _rows.Count - idle.Length >= decoder.MaxSequences))
            return false;
        foreach (CachedRow row in idle)
        {
            if (free >= needed && !(isNew && _rows.Count >= decoder.MaxSequences))
                break;
            free += BytesOf(row);
            Drop(row);
        }
        return true;
    }

    private CachedRow Start(RowRequest request)
    {
        // For sequences that cannot grow: room for the next turn, and half as much again for later ones, so that a long conversation outgrows its
        // sequence only a few times.
        long more = keepsIdle && !decoder.CanFork
            ? Math.Min(Math.Max(256, request.Tokens / 2), (RowBytes - UsedBytes - decoder.StateBytes) / decoder.CacheBytesPerToken - request.Tokens)
            : 0;
        int length = (int)Math.Min(decoder.ContextLength, request.Tokens + Math.Max(0, more));
        CachedRow row = new(decoder.CreateSequence(new SequenceOptions(length, request.PatchCapacity)), request.Scope);
        _rows.Add(row);
        Use(row, request);
        return row;
    }

    private static void Use(CachedRow row, RowRequest request)
    {
        row.ReservedTokens = request.Tokens;
        row.ForgottenTokens = request.ForgottenTokens;
        row.IsReading = true;
        row.Keys.Clear();
        row.Keys.AddRange(request.Prompt.Keys);
    }

    private void Drop(CachedRow row)
    {
        _rows.Remove(row);
        row.Sequence.Dispose();
    }

    /// <summary>Copies the common part of a row and a prompt as soon as the row has read it.</summary>
    private async Task FollowAsync(CachedRow row, CachedRow source, PromptKeys prompt, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task progress;
            lock (_lock)
            {
                if (!_rows.Contains(source))
                    return;
                progress = source.Progress;
                int wanted = prompt.SharedWith(source.FirstKeys(int.MaxValue)), read = source.Sequence.Length;
                if (read >= wanted || !source.IsReading)
                {
                    int known = prompt.SharedWith(source.FirstKeys(Math.Min(wanted, read))), shared = source.Sequence.Restorable(known);
                    if (shared < known)
                        row.ForgottenTokens = Math.Max(row.ForgottenTokens, known);
                    if (shared > 0)
                        row.Sequence.CopyFrom(source.Sequence, shared);
                    return;
                }
            }
            await progress.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private sealed class Waiter(RowRequest request)
    {
        public RowRequest Request => request;

        public TaskCompletionSource<(CachedRow Row, CachedRow? Source)> Admission { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>What an answer needs a row for.</summary>
/// <param name="Prompt">The prompt.</param>
/// <param name="Tokens">The most tokens of prompt and answer together.</param>
/// <param name="PatchCapacity">The most patches of a piece of the prompt.</param>
/// <param name="Scope">Only rows of the same scope are used.</param>
internal sealed record RowRequest(PromptKeys Prompt, int Tokens, int PatchCapacity, string? Scope)
{
    /// <summary>As <see cref="CachedRow.ForgottenTokens"/>.</summary>
    public int ForgottenTokens { get; set; }
}
