using Microsoft.ML.OnnxRuntime;

namespace OnnxVlm.Runtime;

/// <summary>
/// The state of many sequences side by side: each has a slot, and neighbouring slots are one batch without a copy. Rows that are run together are brought together; a copy costs about a
/// thousandth of what reading the tokens costs. Used by the thread of <see cref="BatchRunner"/>.
/// </summary>
internal sealed class KeyValueRows : IDisposable
{
    private readonly IReadOnlyList<StateBuffer> _buffers;
    private readonly IRowMemory[] _memory;
    private readonly DecoderRow?[] _rows;
    private readonly int[] _committed;
    private readonly int[] _windowCommitted;
    private readonly int[] _evicted;
    private readonly int _commitTokens;
    private readonly Stack<int> _freeStates;
    private OrtValue[] _view = [];
    private (int First, int Count) _viewed;

    /// <summary>Takes memory for the rows.</summary>
    /// <param name="buffers">The state of a row.</param>
    /// <param name="memory">Memory for each buffer, of slots · capacity tokens; of slots and saved states where it does not grow.</param>
    /// <param name="slots">How many rows.</param>
    /// <param name="states">How many states can be saved.</param>
    /// <param name="capacity">Tokens that a row has room for; a whole number of pages in each head.</param>
    public KeyValueRows(IReadOnlyList<StateBuffer> buffers, IRowMemory[] memory, int slots, int states, int capacity)
    {
        _buffers = buffers;
        _memory = memory;
        _rows = new DecoderRow?[slots];
        _committed = new int[slots];
        _windowCommitted = new int[slots];
        _evicted = new int[slots];
        _freeStates = new Stack<int>(Enumerable.Range(slots, states).Reverse());
        _commitTokens = Math.Max(64, TokensOfAPage(buffers));
        Capacity = capacity;
    }

    /// <summary>Tokens that a row has room for.</summary>
    public int Capacity { get; }

    /// <summary>How many rows there can be, and one more.</summary>
    public int Slots => _rows.Length;

    /// <summary>Whether a row can be added. One slot is kept free, so that rows can change places.</summary>
    public bool HasRoom => _rows.Count(row => row is null) > 1;

    /// <summary>Reserves rows on the host, as many as wanted or as there is address space for.</summary>
    /// <param name="buffers">The state of a row.</param>
    /// <param name="slots">How many rows are wanted.</param>
    /// <param name="tokens">Tokens of a row.</param>
    /// <exception cref="ModelLoadException">There is not even room for two rows.</exception>
    public static KeyValueRows Reserve(IReadOnlyList<StateBuffer> buffers, int slots, int tokens)
    {
        // A page more than needed: a distance that is a power of two would have all heads share the same few places of the processor's caches.
        int page = TokensOfAPage(buffers), capacity = ((tokens + page - 1) / page * page) + page;
        for (; slots >= 2; slots /= 2)
        {
            int states = buffers.Any(buffer => buffer.IsConstant) ? slots * SavedStates.Most : 0;
            HostRowMemory?[] memory = [.. buffers.Select(buffer => HostRowMemory.TryReserve(buffer.IsConstant ? (slots + states) * buffer.RowBytes : slots * capacity * buffer.TokenBytes))];
            if (memory.All(part => part is not null))
                return new KeyValueRows(buffers, memory!, slots, states, capacity);
            foreach (HostRowMemory? part in memory)
                part?.Dispose();
        }
        throw new ModelLoadException($"The system gives no address space for the key-value cache of two sequences of {tokens} tokens; raise the limit of the process's address space (ulimit -v).");
    }

    /// <summary>Puts a row into a free slot, with what it holds where it is in others so far.</summary>
    /// <param name="row">A row of the same model that is not among these.</param>
    /// <exception cref="VlmException">The system has no more memory.</exception>
    public void Add(DecoderRow row)
    {
        int slot = Array.IndexOf(_rows, null);
        if (row.Rows is { } others)
            Copy(others, row.Slot, slot, row.Length);
        if (row.Rows is { } former)
            CopyState(former, row.Slot, slot);
        else
            CommitState(slot);
        if (row.Rows is { } left)
            left.Free(row.Slot);
        _rows[slot] = row;
        (row.Rows, row.Slot) = (this, slot);
    }

    /// <summary>Saves what the recurrent layers remember of a row.</summary>
    /// <param name="slot">The row's slot.</param>
    /// <returns>Where it is; null where there is no place for it.</returns>
    /// <exception cref="VlmException">The system has no more memory.</exception>
    public int? SaveState(int slot)
    {
        if (!_freeStates.TryPop(out int place))
            return null;
        CopyState(this, slot, place);
        return place;
    }

    /// <summary>Gives the place of a saved state back.</summary>
    /// <param name="place">Where it was.</param>
    public void FreeState(int place)
    {
        ReleaseState(place);
        _freeStates.Push(place);
    }

    /// <summary>Copies what the recurrent layers remember, all of it.</summary>
    /// <param name="source">Where it is, which may be these rows.</param>
    /// <param name="from">A slot there, or a saved state's place.</param>
    /// <param name="to">A slot here, or a saved state's place.</param>
    /// <exception cref="VlmException">The system has no more memory, or the device failed.</exception>
    public void CopyState(KeyValueRows source, int from, int to)
    {
        CommitState(to);
        for (int i = 0; i < _buffers.Count; i++)
        {
            long size = _buffers[i].RowBytes;
            if (size > 0)
                _memory[i].Copy(source._memory[i].Start + (nint)(from * size), size, _memory[i].Start + (nint)(to * size), size, size, 1);
        }
    }

    /// <summary>Has the recurrent layers of a row remember nothing.</summary>
    /// <param name="slot">The row's slot.</param>
    public void ClearState(int slot)
    {
        for (int i = 0; i < _buffers.Count; i++)
        {
            if (_buffers[i].IsConstant)
                _memory[i].Clear(slot * _buffers[i].RowBytes, _buffers[i].RowBytes);
        }
    }

    /// <summary>Takes a row out and gives its memory back.</summary>
    /// <param name="row">A row of these.</param>
    public void Remove(DecoderRow row)
    {
        Free(row.Slot);
        (row.Rows, row.Slot) = (null, -1);
    }

    /// <summary>How many of a row's first tokens the buffers with a window lack.</summary>
    /// <param name="slot">The row's slot.</param>
    public int EvictedOf(int slot) => _evicted[slot];

    /// <summary>Has the buffers with a window lack the first tokens of a row: what they keep moves to the front, and memory beyond it is given back.</summary>
    /// <param name="slot">The row's slot.</param>
    /// <param name="evicted">How many tokens they lack; fewer than now only where the row is empty.</param>
    /// <param name="length">Tokens of the row.</param>
    /// <param name="keptTokens">Tokens whose memory stays, whether it is used or not.</param>
    public void Evict(int slot, int evicted, int length, int keptTokens)
    {
        if (evicted == _evicted[slot])
            return;
        long first = Math.Max(0, evicted - _evicted[slot]), count = Math.Max(0, length - evicted);
        int end = RoundUp(Math.Max(keptTokens, (int)count));
        for (int i = 0; i < _buffers.Count; i++)
        {
            StateBuffer buffer = _buffers[i];
            if (!buffer.HasWindow)
                continue;
            nint target = _memory[i].Start + (nint)OffsetOf(buffer, slot, 0);
            long stride = (long)Capacity * buffer.HeadBytes;
            _memory[i].Copy(target + (nint)(first * buffer.HeadBytes), stride, target, stride, count * buffer.HeadBytes, buffer.Heads);
            for (int head = 0; head < buffer.Heads && end < _windowCommitted[slot]; head++)
                _memory[i].Release(OffsetOf(buffer, slot, head) + ((long)end * buffer.HeadBytes), (long)(_windowCommitted[slot] - end) * buffer.HeadBytes);
        }
        _windowCommitted[slot] = Math.Min(_windowCommitted[slot], end);
        _evicted[slot] = evicted;
    }

    /// <summary>Makes room for the tokens of the next run.</summary>
    /// <param name="slot">A slot.</param>
    /// <param name="length">Tokens that it will hold.</param>
    /// <exception cref="VlmException">The system has no more memory.</exception>
    public void Grow(int slot, int length)
    {
        Commit(slot, _committed, length, hasWindow: false);
        Commit(slot, _windowCommitted, length - _evicted[slot], hasWindow: true);
    }

    /// <summary>Copies the beginning of a row, also one of other rows of the same model.</summary>
    /// <param name="source">The row to read.</param>
    /// <param name="target">The row of these to write.</param>
    /// <param name="length">Tokens to copy.</param>
    /// <exception cref="VlmException">The system has no more memory, or the device failed.</exception>
    public void Copy(DecoderRow source, DecoderRow target, int length) => Copy(source.Rows!, source.Slot, target.Slot, length);

    /// <summary>Fills a row with random numbers between −1 and 1, or codes of 8 bits, and the state of recurrent layers with 0.</summary>
    /// <param name="slot">The row's slot, with nothing in it.</param>
    /// <param name="length">Tokens.</param>
    /// <param name="evicted">Of these, tokens that buffers with a window lack.</param>
    /// <exception cref="VlmException">The system has no more memory.</exception>
    public unsafe void Fill(int slot, int length, int evicted)
    {
        _evicted[slot] = evicted;
        Grow(slot, length);
        ClearState(slot);
        for (int i = 0; i < _buffers.Count; i++)
        {
            StateBuffer buffer = _buffers[i];
            if (buffer.IsConstant)
                continue;
            byte[] numbers = buffer.RandomNumbers(256, new Random(i));
            long size = (long)(buffer.HasWindow ? length - evicted : length) * buffer.HeadBytes;
            fixed (byte* first = numbers)
            {
                for (int head = 0; head < buffer.Heads; head++)
                {
                    nint target = _memory[i].Start + (nint)OffsetOf(buffer, slot, head);
                    for (long done = 0; done < size; done += numbers.Length)
                        _memory[i].Copy((nint)first, 0, target + (nint)done, 0, Math.Min(numbers.Length, size - done), 1);
                }
            }
        }
    }

    /// <summary>Brings rows together, with as little copying as there can be, and sorts them by their slots.</summary>
    /// <param name="rows">Rows of these.</param>
    public void BringTogether(List<DecoderRow> rows)
    {
        rows.Sort((a, b) => a.Slot.CompareTo(b.Slot));
        if (rows[^1].Slot - rows[0].Slot == rows.Count - 1)
            return;
        int first = CheapestWindow(rows), end = first + rows.Count;
        foreach (DecoderRow row in rows.Where(row => row.Slot < first || row.Slot >= end))
        {
            // A free slot first: then the one that the row leaves is free for a row that rests in the way.
            int slot = Enumerable.Range(first, rows.Count).Where(slot => _rows[slot] is not { } other || !rows.Contains(other)).MinBy(slot => _rows[slot] is null ? 0 : 1);
            if (_rows[slot] is { } resting)
                Move(resting, Enumerable.Range(0, _rows.Length).First(free => _rows[free] is null && (free < first || free >= end)));
            Move(row, slot);
        }
        rows.Sort((a, b) => a.Slot.CompareTo(b.Slot));
    }

    /// <summary>The state of neighbouring rows, one tensor for each buffer. Valid until the next call.</summary>
    /// <param name="first">The first slot.</param>
    /// <param name="count">How many.</param>
    public IReadOnlyList<OrtValue> View(int first, int count)
    {
        if (_viewed == (first, count))
            return _view;
        DisposeView();
        _view = [.. _buffers.Select((buffer, i) => buffer.View(_memory[i], first, count, Capacity))];
        _viewed = (first, count);
        return _view;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        DisposeView();
        foreach (IRowMemory memory in _memory)
            memory.Dispose();
    }

    private static int TokensOfAPage(IReadOnlyList<StateBuffer> buffers) => Math.Max(1, Environment.SystemPageSize / buffers.Where(buffer => !buffer.IsConstant).Min(buffer => buffer.HeadBytes & -buffer.HeadBytes));

    private int RoundUp(int tokens) => Math.Min(Capacity, (tokens + _commitTokens - 1) / _commitTokens * _commitTokens);

    private void Commit(int slot, int[] committed, int tokens, bool hasWindow)
    {
        int from = committed[slot], to = RoundUp(tokens);
        if (to <= from)
            return;
        for (int i = 0; i < _buffers.Count && _memory[i].NeedsCommit; i++)
        {
            StateBuffer buffer = _buffers[i];
            for (int head = 0; !buffer.IsConstant && buffer.HasWindow == hasWindow && head < buffer.Heads; head++)
                _memory[i].Commit(OffsetOf(buffer, slot, head) + ((long)from * buffer.HeadBytes), (long)(to - from) * buffer.HeadBytes);
        }
        committed[slot] = to;
    }

    private long OffsetOf(StateBuffer buffer, int slot, int head) => (((long)slot * buffer.Heads) + head) * Capacity * buffer.HeadBytes;

    /// <summary>The first of neighbouring slots where rows come together with the fewest tokens copied.</summary>
    private int CheapestWindow(List<DecoderRow> rows)
    {
        int best = 0;
        long least = long.MaxValue;
        for (int first = 0; first + rows.Count <= _rows.Length; first++)
        {
            long cost = rows.Sum(row => (long)row.Length);
            for (int slot = first; slot < first + rows.Count; slot++)
                cost += _rows[slot] is not { } row ? 0 : rows.Contains(row) ? -row.Length : row.Length;
            if (cost < least)
                (best, least) = (first, cost);
        }
        return best;
    }

    private void Move(DecoderRow row, int slot)
    {
        Copy(this, row.Slot, slot, row.Length);
        CopyState(this, row.Slot, slot);
        Free(row.Slot);
        _rows[slot] = row;
        row.Slot = slot;
    }

    private void Free(int slot)
    {
        for (int i = 0; i < _buffers.Count; i++)
        {
            if (!_buffers[i].IsConstant)
                _memory[i].Release(OffsetOf(_buffers[i], slot, 0), Capacity * _buffers[i].TokenBytes);
        }
        ReleaseState(slot);
        _rows[slot] = null;
        _committed[slot] = _windowCommitted[slot] = _evicted[slot] = 0;
    }

    private void Copy(KeyValueRows source, int from, int to, int length)
    {
        int evicted = Math.Min(length, source._evicted[from]);
        _evicted[to] = evicted;
        Grow(to, length);
        for (int i = 0; i < _buffers.Count && length > 0; i++)
        {
            StateBuffer buffer = _buffers[i];
            if (buffer.IsConstant)
                continue;
            int count = buffer.HasWindow ? length - evicted : length;
            nint origin = source._memory[i].Start + (nint)source.OffsetOf(buffer, from, 0), target = _memory[i].Start + (nint)OffsetOf(buffer, to, 0);
            _memory[i].Copy(origin, (long)source.Capacity * buffer.HeadBytes, target, (long)Capacity * buffer.HeadBytes, (long)count * buffer.HeadBytes, buffer.Heads);
        }
    }

    private void CommitState(int place)
    {
        for (int i = 0; i < _buffers.Count; i++)
        {
            if (_buffers[i].IsConstant && _memory[i].NeedsCommit)
                _memory[i].Commit(place * _buffers[i].RowBytes, _buffers[i].RowBytes);
        }
    }

    // Whole pages only: on others there are neighbours.
    private void ReleaseState(int place)
    {
        for (int i = 0; i < _buffers.Count; i++)
        {
            if (_buffers[i].IsConstant && _buffers[i].RowBytes % Environment.SystemPageSize == 0)
                _memory[i].Release(place * _buffers[i].RowBytes, _buffers[i].RowBytes);
        }
    }

    private void DisposeView()
    {
        foreach (OrtValue value in _view)
            value.Dispose();
        (_view, _viewed) = ([], default);
    }
}
