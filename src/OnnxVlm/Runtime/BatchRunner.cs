using System.Diagnostics;
using Microsoft.ML.OnnxRuntime;

namespace OnnxVlm.Runtime;

/// <summary>
/// Runs the rows of a model together. One thread owns the session and takes turns: a turn is one run for all rows that have their next token, and then one piece of one prompt. So a new
/// prompt waits for two runs at most, and an answer for one piece at most. Members may be called by any thread.
/// </summary>
internal sealed class BatchRunner : IDisposable
{
    /// <summary>A prompt that has waited for so many turns goes before shorter ones.</summary>
    public const int MostTurnsWaited = 8;

    // The longest that a run waits for rows that were in the one before.
    private static readonly TimeSpan MostPatience = TimeSpan.FromSeconds(1);

    private readonly object _lock = new();
    private readonly ModelSession _session;
    private readonly IReadOnlyList<KeyValueRows> _lanes;
    private readonly WindowRule? _window;
    private readonly bool _readsImagesWhole;
    private readonly bool _hasState;
    private readonly Thread _thread;
    private readonly List<DecoderRow> _rows = [];
    private readonly List<DecoderRow> _expected = [];
    private DecoderRow? _reading;
    private TimeSpan _patience = TimeSpan.FromMilliseconds(10);
    private bool _isEnding;
    private Exception? _failure;

    /// <summary>Starts the thread.</summary>
    /// <param name="session">The graph; disposed with this.</param>
    /// <param name="lanes">Where rows can be, those with the least room first; disposed with this.</param>
    /// <param name="window">What layers with a window keep; null where there are none, or they keep everything.</param>
    /// <param name="readsImagesWhole">Whether the tokens of an image belong together.</param>
    public BatchRunner(ModelSession session, IReadOnlyList<KeyValueRows> lanes, WindowRule? window, bool readsImagesWhole)
    {
        _session = session;
        _lanes = lanes;
        _window = window;
        _readsImagesWhole = readsImagesWhole;
        _hasState = session.Buffers.Any(buffer => buffer.IsConstant);
        _thread = new Thread(Run) { IsBackground = true, Name = "OnnxVlm batch" };
        _thread.Start();
    }

    /// <summary>Takes part from now on.</summary>
    /// <param name="row">A new row.</param>
    /// <exception cref="ObjectDisposedException">The runner is disposed.</exception>
    /// <exception cref="VlmException">Its thread has failed.</exception>
    public void Open(DecoderRow row)
    {
        lock (_lock)
        {
            ThrowIfEnding(row);
            _rows.Add(row);
        }
        NativeOwner.Created();
    }

    /// <summary>Has a row begin as a copy of another one; the copy is made before either of them is run again.</summary>
    /// <param name="source">The row to copy.</param>
    /// <param name="row">A row that has read nothing.</param>
    /// <param name="length">Tokens to copy.</param>
    /// <returns>Tokens that are copied: fewer where the model has recurrent layers, of which there is a state only at some places, or layers with a window that have forgotten that place.</returns>
    public int Fork(DecoderRow source, DecoderRow row, int length)
    {
        lock (_lock)
        {
            length = Restorable(source, length);
            SavedState? state = source.States.At(length);
            state?.Use();
            row.States.Share(source.States, length);
            row.Images.CopyFrom(source.Images, length);
            // A row that is itself a copy still to be made has nothing to copy yet.
            row.Source = new RowCopy(source.Source?.From ?? source, row, length, state);
            row.Length = length;
            row.Evicted = length == 0 ? 0 : source.Evicted;
            Monitor.Pulse(_lock);
            return length;
        }
    }

    /// <summary>Has an empty row go on as if it had read so many tokens: its cache is filled with random numbers, which take memory and time as those of a prompt do. For benchmarks.</summary>
    /// <param name="row">A row that has read nothing.</param>
    /// <param name="length">Tokens.</param>
    public void Fill(DecoderRow row, int length)
    {
        lock (_lock)
        {
            row.Source = new RowCopy(row, row, length, null);
            row.Length = length;
            row.Evicted = _window?.Evict(0, length, 1) ?? 0;
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>The longest beginning of a row that there is a state of its recurrent layers for, and that its layers with a window still have.</summary>
    /// <param name="row">The row.</param>
    /// <param name="length">The most tokens.</param>
    public int Restorable(DecoderRow row, int length)
    {
        lock (_lock)
        {
            if (_window?.CanEndAt(row.Evicted, length) == false)
                return 0;
            if (!_hasState)
                return length;
            // While a row reads, its state moves on.
            return length >= row.Length && row.Read is null ? row.Length : row.States.Before(length);
        }
    }

    /// <summary>Has a row end earlier.</summary>
    /// <param name="row">A row that reads nothing now.</param>
    /// <param name="length">The most tokens to keep; fewer are kept where that is not <see cref="Restorable"/>.</param>
    /// <exception cref="ArgumentException">The position is inside an image.</exception>
    public void Rewind(DecoderRow row, int length)
    {
        lock (_lock)
        {
            length = Restorable(row, length);
            row.Images.RewindTo(length);
            row.Length = length;
            row.States.RewindTo(length);
            if (length == 0)
                row.Evicted = 0;
        }
    }

    /// <summary>Queues what a row reads next.</summary>
    /// <param name="row">A row that reads nothing now.</param>
    /// <param name="read">What it reads.</param>
    public void Submit(DecoderRow row, RowRead read)
    {
        lock (_lock)
        {
            ThrowIfEnding(row);
            if (row.Read is not null)
                throw new InvalidOperationException("A sequence is used by one thread at a time, and it is reading.");
            row.Read = read;
            row.IsPrompt = Stopwatch.GetElapsedTime(row.LastRun) <= _patience;
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>Gives up what a row reads: at once, or after the run that it takes part in.</summary>
    /// <param name="row">The row.</param>
    /// <param name="read">What it was to read.</param>
    /// <param name="cancellationToken">Who gives up.</param>
    public void Cancel(DecoderRow row, RowRead read, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (row.Read != read)
                return;
            read.Cancelled = cancellationToken;
            if (!read.IsRunning)
                End(row, () => read.Completion.SetCanceled(cancellationToken));
            else if (_reading == row)
                _session.Interrupt();
        }
    }

    /// <summary>Does not wait for a row.</summary>
    /// <param name="row">A row that reads nothing now.</param>
    public void Pause(DecoderRow row)
    {
        lock (_lock)
        {
            _expected.Remove(row);
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>Gives the memory of a row back, after the run that it takes part in.</summary>
    /// <param name="row">The row.</param>
    public void Close(DecoderRow row)
    {
        lock (_lock)
        {
            if (row.IsClosed)
                return;
            row.IsClosed = true;
            _expected.Remove(row);
            if (row.Read is { } read)
                Cancel(row, read, new CancellationToken(canceled: true));
            Monitor.Pulse(_lock);
        }
        NativeOwner.Disposed();
    }

    /// <summary>Has the thread end after the run that is on; it frees the rows and the session then.</summary>
    public void BeginDispose()
    {
        lock (_lock)
        {
            _isEnding = true;
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>Ends the thread after the run that is on, and frees the rows and the session.</summary>
    public void Dispose()
    {
        BeginDispose();
        _thread.Join();
    }

    private void ThrowIfEnding(DecoderRow row)
    {
        if (_failure is not null)
            throw new VlmException(_failure.Message, _failure);
        ObjectDisposedException.ThrowIf(_isEnding || row.IsClosed, row);
    }

    private void Run()
    {
        try
        {
            while (NextTurn() is { } turn)
                Take(turn);
        }
        catch (Exception e)
        {
            // What nobody expected ends the rows and not the process.
            _failure = new VlmException($"The runner of the model's rows has stopped: {e.Message} Load the model again.", e);
        }
        Free();
    }

    private void Take(Turn turn)
    {
        foreach (RowCopy copy in turn.Copies)
            Make(copy);
        foreach (DecoderRow row in turn.Closed)
            Remove(row);
        foreach (IGrouping<KeyValueRows, DecoderRow> lane in turn.Decoding.Where(TryPlace).GroupBy(row => row.Rows!))
            Decode(lane.Key, [.. lane]);
        if (turn.Reading is { } reading && TryPlace(reading))
            RunAlone(reading);
    }

    private void Free()
    {
        lock (_lock)
        {
            _isEnding = true;
            foreach (DecoderRow row in _rows.Where(row => row.Read is not null))
                End(row, () => row.Read!.Completion.TrySetException(_failure ?? new ObjectDisposedException(nameof(OrtDecoder))));
        }
        foreach (KeyValueRows lane in _lanes)
            lane.Dispose();
        _session.Dispose();
    }

    /// <summary>Waits for work.</summary>
    /// <returns>What to do next; null at the end.</returns>
    private Turn? NextTurn()
    {
        lock (_lock)
        {
            WaitForExpected();
            while (!_isEnding)
            {
                RowCopy[] copies = [.. _rows.Where(row => row is { IsClosed: false, Source: not null }).Select(row => row.Source!)];
                DecoderRow[] closed = [.. _rows.Where(row => row.IsClosed)];
                DecoderRow[] decoding = [.. _rows.Where(row => row is { IsClosed: false, Read.IsOneToken: true, Length: > 0 })];
                DecoderRow? reading = NextPrompt();
                _rows.RemoveAll(row => row.IsClosed);
                foreach (RowCopy copy in copies)
                    copy.To.Source = null;
                foreach (DecoderRow row in decoding.Concat(reading is null ? [] : [reading]))
                {
                    row.Read!.IsRunning = true;
                    // Here, so that nobody copies from a place that is forgotten in this turn.
                    row.Evicted = _window?.Evict(row.Evicted, row.Length, row.Read.Chunk.TokenIds.Length) ?? 0;
                }
                if (copies.Length + closed.Length + decoding.Length > 0 || reading is not null)
                    return new Turn(copies, closed, decoding, reading);
                Monitor.Wait(_lock);
            }
            return null;
        }
    }

    // Rows that ran together are sampled side by side and come back together: it pays to wait for all of them, but not for one that is slow.
    private void WaitForExpected()
    {
        long start = Stopwatch.GetTimestamp();
        while (!_isEnding && _expected.Exists(row => row.Read is null))
        {
            TimeSpan left = _patience - Stopwatch.GetElapsedTime(start);
            if (left <= TimeSpan.Zero)
                break;
            Monitor.Wait(_lock, left);
        }
        _expected.Clear();
    }

    /// <summary>The prompt with the least left to read, unless another one has waited too long.</summary>
    private DecoderRow? NextPrompt()
    {
        DecoderRow[] waiting = [.. _rows.Where(row => row is { IsClosed: false, Read: not null } && !(row.Read.IsOneToken && row.Length > 0))];
        if (waiting.Length == 0)
            return null;
        DecoderRow longest = waiting.MaxBy(row => row.Read!.TurnsWaited)!;
        DecoderRow next = longest.Read!.TurnsWaited >= MostTurnsWaited ? longest : waiting.MinBy(row => row.Read!.TokensLeft)!;
        foreach (DecoderRow row in waiting.Where(row => row != next))
            row.Read!.TurnsWaited++;
        return next;
    }

    private void Decode(KeyValueRows lane, List<DecoderRow> rows)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            lane.BringTogether(rows);
            _session.Run(rows);
        }
        catch (Exception e) when (e is OnnxRuntimeException or VlmException)
        {
            // One of them may be at fault: only that one fails. But what recurrent layers remember has changed, so that the run cannot be made again.
            foreach (DecoderRow row in rows)
            {
                if (_hasState)
                    Fail(row, e, hasRun: true);
                else
                    RunAlone(row);
            }
            return;
        }
        RowMetrics.Ran(rows.Count);
        lock (_lock)
        {
            // Half of a run is what waiting can save at most.
            TimeSpan half = Stopwatch.GetElapsedTime(start) / 2;
            _patience = half < MostPatience ? half : MostPatience;
            DecoderRow[] comeBack = [.. rows.Where(row => row.IsPrompt && !row.Read!.Cancelled.IsCancellationRequested)];
            foreach (DecoderRow row in rows)
                Done(row);
            // Only now: what ends is no longer waited for.
            _expected.AddRange(comeBack);
        }
    }

    private void RunAlone(DecoderRow row)
    {
        lock (_lock)
        {
            RowRead read = row.Read!;
            if (read.Cancelled.IsCancellationRequested)
            {
                End(row, () => read.Completion.SetCanceled(read.Cancelled));
                return;
            }
            _reading = row;
        }
        long start = Stopwatch.GetTimestamp();
        try
        {
            _session.Run([row]);
        }
        catch (Exception e) when (e is OnnxRuntimeException or VlmException)
        {
            Fail(row, e, hasRun: true);
            return;
        }
        RowRead piece = row.Read!;
        RowMetrics.PieceRead(Stopwatch.GetElapsedTime(start), piece.Chunk.Images.Count > 0);
        bool goesOn;
        lock (_lock)
        {
            _reading = null;
            _session.Resume();
            goesOn = Done(row);
        }
        // Whatever the caller does then is done without the lock.
        if (goesOn)
            piece.Progress?.Invoke();
    }

    /// <returns>Whether the row has more to read.</returns>
    private bool Done(DecoderRow row)
    {
        RowRead read = row.Read!;
        if (_readsImagesWhole)
            row.Images.Add(row.Length, read.Chunk);
        row.Length += read.Chunk.TokenIds.Length;
        row.StateLength = row.Length;
        if (_hasState && read.Chunk.SavesState)
            SaveState(row);
        row.LastRun = Stopwatch.GetTimestamp();
        read.IsRunning = false;
        bool goesOn = read.Advance();
        if (read.Cancelled.IsCancellationRequested)
            End(row, () => read.Completion.SetCanceled(read.Cancelled));
        else if (!goesOn)
        {
            row.HasLogits = true;
            End(row, read.Completion.SetResult);
        }
        return goesOn && row.Read == read;
    }

    // A failed run has written only beyond the row's length, so that what was read before is as it was; but for recurrent layers, whose last saved state is gone on from.
    private void Fail(DecoderRow row, Exception exception, bool hasRun = false)
    {
        lock (_lock)
        {
            _reading = null;
            _session.Resume();
            if (hasRun && _hasState)
            {
                row.Length = row.States.Before(row.Length);
                row.Images.RewindTo(row.Length);
                row.StateLength = -1;
            }
            RowRead read = row.Read!;
            if (read.Cancelled.IsCancellationRequested)
                End(row, () => read.Completion.SetCanceled(read.Cancelled));
            else
                End(row, () => read.Completion.SetException(exception as VlmException ?? new VlmException($"The runtime failed: {exception.Message}", exception)));
        }
    }

    private void End(DecoderRow row, Action complete)
    {
        complete();
        _expected.Remove(row);
        row.Read = null;
    }

    /// <summary>Gives a row a place with room for its next run.</summary>
    private bool TryPlace(DecoderRow row)
    {
        try
        {
            if (row.Failure is { } failure)
                throw failure;
            int length = row.Length + row.Read!.Chunk.TokenIds.Length;
            Place(row, length);
            row.Rows!.Evict(row.Slot, row.Evicted, row.Length, _window?.MostTokens ?? 0);
            row.Rows.Grow(row.Slot, length);
            RestoreState(row);
            return true;
        }
        catch (VlmException e)
        {
            Fail(row, e);
            return false;
        }
    }

    private void Make(RowCopy copy)
    {
        try
        {
            if (copy.From.Failure is { } failure)
                throw failure;
            Place(copy.To, copy.Length);
            if (copy.From == copy.To)
            {
                copy.To.Rows!.Fill(copy.To.Slot, copy.Length, copy.To.Evicted);
                copy.To.StateLength = copy.Length;
                return;
            }
            copy.To.Rows!.Copy(copy.From, copy.To, copy.Length);
            if (_hasState && copy.Length > 0)
            {
                copy.To.Rows.CopyState(copy.State?.Rows ?? copy.From.Rows!, copy.State?.Place ?? copy.From.Slot, copy.To.Slot);
                copy.To.StateLength = copy.Length;
            }
        }
        catch (VlmException e)
        {
            copy.To.Failure = e;
        }
        finally
        {
            lock (_lock)
                copy.State?.Dispose();
        }
    }

    /// <summary>Has the recurrent layers of a row remember what they did at its length.</summary>
    private void RestoreState(DecoderRow row)
    {
        if (!_hasState || row.StateLength == row.Length)
            return;
        lock (_lock)
        {
            if (row.Length == 0)
                row.Rows!.ClearState(row.Slot);
            else if (row.States.At(row.Length) is { } state)
                row.Rows!.CopyState(state.Rows, state.Place, row.Slot);
            else
                throw new VlmException($"The state of the sequence after {row.Length} tokens is lost; read it again from the start.");
            row.StateLength = row.Length;
        }
    }

    // A state that cannot be saved costs time later, and nothing else.
    private void SaveState(DecoderRow row)
    {
        try
        {
            row.States.Save(row, _rows);
        }
        catch (VlmException)
        {
            row.States.RewindTo(0);
        }
    }

    private void Remove(DecoderRow row)
    {
        lock (_lock)
        {
            row.States.RewindTo(0);
            row.Source?.State?.Dispose();
            row.Source = null;
        }
        row.Rows?.Remove(row);
    }

    private void Place(DecoderRow row, int length)
    {
        if (row.Rows is null || row.Rows.Capacity < length)
        {
            int usual = Math.Max(length, row.Options.MaxLength);
            KeyValueRows lane = _lanes.FirstOrDefault(lane => lane.Capacity >= usual && lane.HasRoom) ?? _lanes.FirstOrDefault(lane => lane.Capacity >= length && lane.HasRoom)
                ?? throw new VlmException($"There is no room for another sequence of {length} tokens; dispose one, or ask again later.");
            lane.Add(row);
        }
    }

    private sealed record Turn(RowCopy[] Copies, DecoderRow[] Closed, DecoderRow[] Decoding, DecoderRow? Reading);
}

/// <summary>A copy to be made.</summary>
/// <param name="From">The row to read; the row to write for <see cref="BatchRunner.Fill"/>.</param>
/// <param name="To">The row to write.</param>
/// <param name="Length">Tokens.</param>
/// <param name="State">What recurrent layers remembered at that length; null for what they do when the copy is made.</param>
internal sealed record RowCopy(DecoderRow From, DecoderRow To, int Length, SavedState? State);
