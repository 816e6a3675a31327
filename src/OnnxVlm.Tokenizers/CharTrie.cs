namespace OnnxVlm.Tokenizers;

/// <summary>
/// A set of texts with a number each, searched character by character. A walk starts at <see cref="Root"/>, and each node has the number of the text
/// that ends there. The edges are in one hash table with open addressing. One thread fills it; then any thread may read it.
/// </summary>
internal sealed class CharTrie
{
    public const int Root = 0;

    private const ulong Free = ulong.MaxValue;

    private readonly List<int> _numbers = [-1];
    private ulong[] _keys = new ulong[64];
    private int[] _children = new int[64];
    private int _shift = 64 - 6;

    public CharTrie() => Array.Fill(_keys, Free);

    /// <summary>Adds a text. If two texts are equal, the first or the last is kept.</summary>
    /// <param name="text">Not empty.</param>
    /// <param name="number">At least 0.</param>
    /// <param name="replace">Whether the last one is kept.</param>
    public void Add(ReadOnlySpan<char> text, int number, bool replace)
    {
        int node = Root;
        foreach (char c in text)
        {
            int next = Next(node, c);
            if (next < 0)
            {
                next = _numbers.Count;
                _numbers.Add(-1);
                Insert(Key(node, c), next);
            }
            node = next;
        }
        if (replace || _numbers[node] < 0)
            _numbers[node] = number;
    }

    /// <summary>The node after a character; -1 where no text continues with it.</summary>
    public int Next(int node, char c)
    {
        ulong key = Key(node, c);
        for (int slot = Slot(key); ; slot = (slot + 1) & (_keys.Length - 1))
        {
            if (_keys[slot] == key)
                return _children[slot];
            if (_keys[slot] == Free)
                return -1;
        }
    }

    /// <summary>The number of the text that ends at a node; -1 for none.</summary>
    public int NumberAt(int node) => _numbers[node];

    private static ulong Key(int node, char c) => ((ulong)node << 16) | c;

    private int Slot(ulong key) => (int)((key * 0x9E3779B97F4A7C15UL) >> _shift);

    private void Insert(ulong key, int child)
    {
        if (_numbers.Count * 2 > _keys.Length)
            Grow();
        int slot = Slot(key);
        while (_keys[slot] != Free)
            slot = (slot + 1) & (_keys.Length - 1);
        _keys[slot] = key;
        _children[slot] = child;
    }

    private void Grow()
    {
        (ulong[] keys, int[] children) = (_keys, _children);
        _keys = new ulong[keys.Length * 2];
        _children = new int[keys.Length * 2];
        _shift--;
        Array.Fill(_keys, Free);
        for (int i = 0; i < keys.Length; i++)
        {
            if (keys[i] != Free)
                Insert(keys[i], children[i]);
        }
    }
}
