namespace OnnxVlm.Tokenizers.Models;

/// <summary>
/// A queue of the pairs that can merge: the one with the lowest rank comes first, and the leftmost of equal ones. It is a heap with four children per node.
/// </summary>
/// <param name="memory">Memory for everything that will be added.</param>
internal ref struct MergeQueue(Span<ulong> memory)
{
    private readonly Span<ulong> _memory = memory;
    private int _count;

    /// <summary>Adds a pair, unless its rank is negative.</summary>
    public void Add(int rank, int place)
    {
        if (rank < 0)
            return;
        ulong value = ((ulong)(uint)rank << 32) | (uint)place;
        int i = _count++;
        while (i > 0)
        {
            int parent = (i - 1) / 4;
            if (_memory[parent] <= value)
                break;
            _memory[i] = _memory[parent];
            i = parent;
        }
        _memory[i] = value;
    }

    /// <summary>Removes the first pair.</summary>
    public bool TryTake(out int rank, out int place)
    {
        if (_count == 0)
        {
            (rank, place) = (-1, -1);
            return false;
        }
        ulong top = _memory[0], moved = _memory[--_count];
        int i = 0;
        for (int child = 1; child < _count; child = (4 * i) + 1)
        {
            int least = child;
            for (int other = child + 1; other < Math.Min(child + 4, _count); other++)
            {
                if (_memory[other] < _memory[least])
                    least = other;
            }
            if (_memory[least] >= moved)
                break;
            _memory[i] = _memory[least];
            i = least;
        }
        _memory[i] = moved;
        (rank, place) = ((int)(top >> 32), (int)(uint)top);
        return true;
    }
}
