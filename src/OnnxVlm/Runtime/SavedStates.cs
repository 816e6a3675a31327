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

    /// <summary>Saves the state of a row. Where there is no room, one of its earlier ones goes, and where it has none, nothing is saved.</summary>
    /// <param name="row">The row, whose state is at its length.</param>
    /// <exception cref="VlmException">The system has no more memory.</exception>
    public void Save(DecoderRow row)
    {
        if (At(row.Length) is not null)
            return;
        while (_states.Count >= Most || (_states.Count > 0 && !budget.HasRoom))
            Remove(Spare());
        if (!budget.HasRoom || row.Rows!.SaveState(row.Slot) is not int place)
            return;
        budget.Add(1);
        _states.Add(new SavedState(row.Rows, place, row.Length));
    }

    /// <summary>Forgets the states after a length.</summary>
    /// <param name="length">The length.</param>
    public void RewindTo(int length)
    {
        while (_states.Count > 0 && _states[^1].Length > length)
            Remove(_states.Count - 1);
    }

    /// <summary>Which one is missed the least: whose neighbours are close to each other, measured by how far before the end they are.</summary>
    private int Spare()
    {
        int best = 0, end = _states[^1].Length + 1;
        double least = double.PositiveInfinity;
        for (int i = 0; i + 1 < _states.Count; i++)
        {
            int before = i == 0 ? 0 : _states[i - 1].Length, after = _states[i + 1].Length;
            double gap = (double)(after - before) / (end - before);
            if (gap < least)
                (best, least) = (i, gap);
        }
        return best;
    }

    private void Remove(int index)
    {
        _states[index].Dispose();
        _states.RemoveAt(index);
        budget.Add(-1);
    }
}

/// <summary>A saved state. Guarded by the lock of <see cref="BatchRunner"/>.</summary>
/// <param name="rows">The rows in whose memory it is.</param>
/// <param name="place">Its place there.</param>
/// <param name="length">Tokens that were read then.</param>
internal sealed class SavedState(KeyValueRows rows, int place, int length)
{
    private int _users = 1;

    public KeyValueRows Rows => rows;

    public int Place => place;

    public int Length => length;

    /// <summary>Keeps it for a copy that is still to be made.</summary>
    public void Use() => _users++;

    /// <summary>Gives it up; with the last user its memory is free.</summary>
    public void Dispose()
    {
        if (--_users == 0)
            rows.FreeState(place);
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
