namespace OnnxVlm.Tokenizers.Models;

/// <summary>Memory that a model works in, kept from piece to piece. Used by one thread.</summary>
internal sealed class Scratch
{
    private Symbol[] _symbols = new Symbol[128];
    private ulong[] _heap = [];
    private PathNode[] _path = [];

    public Span<Symbol> Symbols(int count) => Grow(ref _symbols, count);

    public Span<ulong> Heap(int count) => Grow(ref _heap, count);

    public Span<PathNode> Path(int count) => Grow(ref _path, count);

    private static Span<T> Grow<T>(ref T[] memory, int count)
    {
        if (memory.Length < count)
            memory = GC.AllocateUninitializedArray<T>((int)Math.Min(Array.MaxLength, Math.Max(count, memory.Length * 2L)));
        return memory;
    }
}

/// <summary>A token while a piece is merged: a node of a linked list.</summary>
internal struct Symbol
{
    public int Id;

    /// <summary>Where the token begins and ends in the piece.</summary>
    public int Start, End;

    /// <summary>The neighbours; -1 for none.</summary>
    public int Previous, Next;

    /// <summary>What becomes of it together with the next one, and how early; rank -1 where they do not merge.</summary>
    public int Rank, Merged;
}

/// <summary>The best way to a place in a piece.</summary>
internal struct PathNode
{
    public double Score;

    /// <summary>Where the last token of the way begins; -1 where no way is known.</summary>
    public int From;

    public int Id;
}
