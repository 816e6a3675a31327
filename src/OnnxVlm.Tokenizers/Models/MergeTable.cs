using System.Numerics;

namespace OnnxVlm.Tokenizers.Models;

/// <summary>The merges of a BPE: the token that two tokens merge into, and its rank. A hash table with open addressing.</summary>
internal sealed class MergeTable
{
    private const ulong Free = ulong.MaxValue;

    private readonly (ulong Key, int Rank, int Id)[] _entries;
    private readonly int _shift;

    public MergeTable(Dictionary<(int Left, int Right), (int Rank, int Id)> merges)
    {
        int bits = Math.Max(4, BitOperations.Log2((uint)Math.Max(1, merges.Count)) + 2);
        _shift = 64 - bits;
        _entries = new (ulong, int, int)[1 << bits];
        Array.Fill(_entries, (Free, -1, -1));
        foreach (((int left, int right), (int rank, int id)) in merges)
        {
            int slot = Slot(Key(left, right));
            while (_entries[slot].Key != Free)
                slot = (slot + 1) & (_entries.Length - 1);
            _entries[slot] = (Key(left, right), rank, id);
        }
    }

    /// <summary>Finds the merge of two tokens.</summary>
    public bool TryFind(int left, int right, out int rank, out int id)
    {
        ulong key = Key(left, right);
        for (int slot = Slot(key); ; slot = (slot + 1) & (_entries.Length - 1))
        {
            ref readonly (ulong Key, int Rank, int Id) entry = ref _entries[slot];
            if (entry.Key == key)
            {
                (rank, id) = (entry.Rank, entry.Id);
                return true;
            }
            if (entry.Key == Free)
            {
                (rank, id) = (-1, -1);
                return false;
            }
        }
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private int Slot(ulong key) => (int)((key * 0x9E3779B97F4A7C15UL) >> _shift);
}
