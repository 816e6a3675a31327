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
    private readonly int _commitTokens;
    private OrtValue[] _view = [];
    private (int First, int Count) _viewed;

    /// <summary>Takes memory for the rows.</summary>
    /// <param name="buffers">The state of a row.</param>
    /// <param name="memory">Memory for each buffer, of slots · capacity tokens.</param>
    /// <param name="slots">How many rows.</param>
    /// <param name="capacity">Tokens that a row has room for; a whole number of pages in each head.</param>
    public KeyValueRows(IReadOnlyList<StateBuffer> buffers, IRowMemory[] memory, int slots, int capacity)
    {
        _buffers = buffers;
        _memory = memory;
        _rows = new DecoderRow?[slots];
        _committed = new int[slots];
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
            HostRowMemory?[] memory = [.. buffers.Select(buffer => HostRowMemory.TryReserve(slots * capacity * buffer.TokenBytes))];
            if (memory.All(part => part is not null))
                return new KeyValueRows(buffers, memory!, slots, capacity);
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
        {
            Grow(slot, row.Length);
            Copy(others, row.Slot, slot, row.Length);
            others.Free(row.Slot);
        }
        _rows[slot] = row;
        (row.Rows, row.Slot) = (this, slot);
    }

    /// <summary>Takes a row out and gives its memory back.</summary>
    /// <param name="row">A row of these.</param>
    public void Remove(DecoderRow row)
    {
        Free(row.Slot);
        (row.Rows, row.Slot) = (null, -1);
    }

    /// <summary>Makes room for the tokens of the next run.</summary>
    /// <param name="slot">A slot.</param>
    /// <param name="length">Tokens that it will hold.</param>
    /// <exception cref="VlmException">The system has no more memory.</exception>
    public void Grow(int slot, int length)
    {
        int from = _committed[slot];
        if (length <= from)
            return;
        int to = Math.Min(Capacity, (length + _commitTokens - 1) / _commitTokens * _commitTokens);
        for (int i = 0; i < _buffers.Count && _memory[i].NeedsCommit; i++)
        {
            StateBuffer buffer = _buffers[i];
            for (int head = 0; head < buffer.Heads; head++)
                _memory[i].Commit(OffsetOf(buffer, slot, head) + ((long)from * buffer.HeadBytes), (long)(to - from) * buffer.HeadBytes);
        }
        _committed[slot] = to;
    }

    /// <summary>Copies the beginning of a row, also one of other rows of the same model.</summary>
    /// <param name="source">The row to read.</param>
    /// <param name="target">The row of these to write.</param>
    /// <param name="length">Tokens to copy.</param>
    public void Copy(DecoderRow source, DecoderRow target, int length) => Copy(source.Rows!, source.Slot, target.Slot, length);

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

    private static int TokensOfAPage(IReadOnlyList<StateBuffer> buffers) => Math.Max(1, Environment.SystemPageSize / buffers.Min(buffer => buffer.HeadBytes & -buffer.HeadBytes));

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
        Grow(slot, row.Length);
        Copy(this, row.Slot, slot, row.Length);
        Free(row.Slot);
        _rows[slot] = row;
        row.Slot = slot;
    }

    private void Free(int slot)
    {
        for (int i = 0; i < _buffers.Count; i++)
            _memory[i].Release(OffsetOf(_buffers[i], slot, 0), Capacity * _buffers[i].TokenBytes);
        _rows[slot] = null;
        _committed[slot] = 0;
    }

    private void Copy(KeyValueRows source, int from, int to, int length)
    {
        for (int i = 0; i < _buffers.Count && length > 0; i++)
        {
            StateBuffer buffer = _buffers[i];
            nint origin = source._memory[i].Start + (nint)source.OffsetOf(buffer, from, 0), target = _memory[i].Start + (nint)OffsetOf(buffer, to, 0);
            _memory[i].Copy(origin, (long)source.Capacity * buffer.HeadBytes, target, (long)Capacity * buffer.HeadBytes, (long)length * buffer.HeadBytes, buffer.Heads);
        }
    }

    private void DisposeView()
    {
        foreach (OrtValue value in _view)
            value.Dispose();
        (_view, _viewed) = ([], default);
    }
}
