namespace OnnxVlm.Runtime;

/// <summary>
/// The states of a row's recurrent layers at certain lengths. These are the only places that such a row can be rewound to, besides its start and its
/// end. A saved state of a large model takes 50 MB, so a row has only a few: close together near its end, and far apart before. Guarded by the lock
/// of <see cref="BatchRunner"/>.
/// </summary>
/// <param name="budget">Memory for the saved states of all rows.</param>
internal sealed class SavedStates(StateBudget budget)
{
    /// <summary>The most saved states of a row.</summary>
    public const int Most = 8;

    // In ascending order of length.
    private readonly List<SavedState> _states = [];

    /// <summary>The greatest length, up to a maximum, that has a state; 0, which needs no state, if there is none.</summary>
    /// <param name="length">The maximum.</param>
    public int Before(int length) => _states.FindLast(state => state.Length <= length)?.Length ?? 0;

    /// <summary>The state at a length; null if there is none.</summary>
    /// <param name="length">The length.</param>
    public SavedState? At(int length) => _states.Find(state => state.Length == length);

    /// <summary>
    /// Saves the state of a row. If there is no room, a less useful state is removed: one of the row that has the most states, or, if no row has more
    /// than one, the state of the row that has rested the longest.
    /// </summary>
    /// <param name="row">The row, whose state is at its length.</param>
    /// <param name="others">All rows.</param>
    /// <exception cref="VlmException">The system has no more memory.</exception>
    public void Save(DecoderRow row, IEnumerable<DecoderRow> others)
    {
        if (At(row.Length) is not null)
            return;
        if (_states.Count >= Most)
            Remove(Spare(state => true));
        if (!budget.HasRoom && others.Where(other => other.States._states.Exists(state => MayGo(other, state)))
            .MinBy(other => (-other.States._states.Count, other.LastRun)) is { } richest)
            richest.States.Remove(richest.States.Spare(state => MayGo(richest, state)));
        if (budget.HasRoom && row.Rows!.SaveState(row.Slot) is int place)
            _states.Add(new SavedState(row.Rows, place, row.Length, budget));
    }

    /// <summary>Starts with the states of another row.</summary>
    /// <param name="source">The states of the other row.</param>
    /// <param name="length">The length that is copied.</param>
    public void Share(SavedStates source, int length)
    {
        foreach (SavedState state in source._states.Where(state => state.Length <= length))
        {
            state.Use();
            _states.Add(state);
        }
    }

    /// <summary>Forgets the states after a length.</summary>
    /// <param name="length">The length.</param>
    public void RewindTo(int length)
    {
        while (_states.Count > 0 && _states[^1].Length > length)
            Remove(_states[^1]);
    }

    // Not the state that the row's next run starts with.
    private static bool MayGo(DecoderRow row, SavedState state) => !state.IsShared && (state.Length != row.Length || row.StateLength == row.Length);

    /// <summary>Which state is the least useful: the one whose neighbours are closest to each other, relative to their distance from the end.</summary>
    private SavedState Spare(Predicate<SavedState> mayGo)
    {
        SavedState? best = null;
        int end = _states[^1].Length + 1;
        double least = double.PositiveInfinity;
        for (int i = 0; i < _states.Count; i++)
        {
            // Without the last one, the row would be rewound to the one before it.
            int before = i == 0 ? 0 : _states[i - 1].Length, after = i + 1 < _states.Count ? _states[i + 1].Length : end;
            double gap = i + 1 < _states.Count ? (double)(after - before) / (end - before) : 1;
            if (mayGo(_states[i]) && (best is null || gap < least))
                (best, least) = (_states[i], gap);
        }
        return best!;
    }

    private void Remove(SavedState state)
    {
        _states.Remove(state);
        state.Dispose();
    }
}

/// <summary>A saved state, which several rows may share. Guarded by the lock of <see cref="BatchRunner"/>.</summary>
internal sealed class SavedState
{
    private readonly StateBudget _budget;
    private int _users = 1;

    /// <summary>Counts a new state.</summary>
    /// <param name="rows">The rows whose memory holds it.</param>
    /// <param name="place">Its place there.</param>
    /// <param name="length">Number of tokens read at that time.</param>
    /// <param name="budget">The budget that it counts against.</param>
    public SavedState(KeyValueRows rows, int place, int length, StateBudget budget)
    {
        (Rows, Place, Length, _budget) = (rows, place, length, budget);
        budget.Add(1);
    }

    public KeyValueRows Rows { get; }

    public int Place { get; }

    public int Length { get; }

    /// <summary>Whether more than one row uses it, so that releasing it for one row frees nothing.</summary>
    public bool IsShared => _users > 1;

    /// <summary>Keeps it for one more row, or for a copy that is still to be made.</summary>
    public void Use() => _users++;

    /// <summary>Releases it; the last user frees its memory.</summary>
    public void Dispose()
    {
        if (--_users > 0)
            return;
        Rows.FreeState(Place);
        _budget.Add(-1);
    }
}

/// <summary>How many saved states all rows may have together.</summary>
/// <param name="most">The maximum.</param>
internal sealed class StateBudget(long most)
{
    private long _count;

    public bool HasRoom => _count < most;

    public void Add(int count) => _count += count;
}
