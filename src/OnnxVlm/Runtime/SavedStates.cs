namespace OnnxVlm.Runtime;

/// <summary>
/// What the recurrent layers of a row remembered at certain lengths: the only places that such a row can go back to, but for its start and its end. A saved state of a large model takes 50 MB, so
/// that a row has a few, close to each other near its end and far from each other before. Guarded by the lock of <see cref="BatchRunner"/>.
/// </summary>
/// <param name="budget">Memory for the saved states of all rows.</param>
internal sealed class SavedStates(StateBudget budget)
{
    /// <summary>The most saved states of a row.</summary>
    public const int Most = 8;

    // In the order of their lengths.
    private readonly List<SavedState> _states = [];

    /// <summary>The longest length, at most so long, that there is a state of; 0, which needs none, where there is no other.</summary>
    /// <param name="length">The most.</param>
    public int Before(int length) => _states.FindLast(state => state.Length <= length)?.Length ?? 0;

    /// <summary>The state at a length; null where there is none.</summary>
    /// <param name="length">The length.</param>
    public SavedState? At(int length) => _states.Find(state => state.Length == length);

    /// <summary>
    /// Saves the state of a row. Where there is no room, one that is missed less goes: of the row that has the most, or, where none has more than one, of the row that has rested for the longest.
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
        if (!budget.HasRoom && others.Where(other => other.States._states.Exists(state => MayGo(other, state))).MinBy(other => (-other.States._states.Count, other.LastRun)) is { } richest)
            richest.States.Remove(richest.States.Spare(state => MayGo(richest, state)));
        if (budget.HasRoom && row.Rows!.SaveState(row.Slot) is int place)
            _states.Add(new SavedState(row.Rows, place, row.Length, budget));
    }

    /// <summary>Begins with the states of another row.</summary>
    /// <param name="source">The other row's.</param>
    /// <param name="length">The length that is taken over.</param>
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

    // Not the one that the row's next run begins with.
    private static bool MayGo(DecoderRow row, SavedState state) => !state.IsShared && (state.Length != row.Length || row.StateLength == row.Length);

    /// <summary>Which one is missed the least: whose neighbours are close to each other, measured by how far before the end they are.</summary>
    private SavedState Spare(Predicate<SavedState> mayGo)
    {
        SavedState? best = null;
        int end = _states[^1].Length + 1;
        double least = double.PositiveInfinity;
        for (int i = 0; i < _states.Count; i++)
        {
            // Without the last one the row would go back to the one before.
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

/// <summary>A saved state, also of several rows. Guarded by the lock of <see cref="BatchRunner"/>.</summary>
internal sealed class SavedState
{
    private readonly StateBudget _budget;
    private int _users = 1;

    /// <summary>Counts it.</summary>
    /// <param name="rows">The rows in whose memory it is.</param>
    /// <param name="place">Its place there.</param>
    /// <param name="length">Tokens that were read then.</param>
    /// <param name="budget">What it counts in.</param>
    public SavedState(KeyValueRows rows, int place, int length, StateBudget budget)
    {
        (Rows, Place, Length, _budget) = (rows, place, length, budget);
        budget.Add(1);
    }

    public KeyValueRows Rows { get; }

    public int Place { get; }

    public int Length { get; }

    /// <summary>Whether more than one row has it, so that one that gives it up frees nothing.</summary>
    public bool IsShared => _users > 1;

    /// <summary>Keeps it for one more row, or for a copy that is still to be made.</summary>
    public void Use() => _users++;

    /// <summary>Gives it up; with the last user its memory is free.</summary>
    public void Dispose()
    {
        if (--_users > 0)
            return;
        Rows.FreeState(Place);
        _budget.Add(-1);
    }
}

/// <summary>How many saved states all rows together may have.</summary>
/// <param name="most">The most.</param>
internal sealed class StateBudget(long most)
{
    private long _count;

    public bool HasRoom => _count < most;

    public void Add(int count) => _count += count;
}
