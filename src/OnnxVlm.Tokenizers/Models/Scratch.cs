namespace OnnxVlm.Tokenizers.Models;

/// <summary>The working memory of a model, reused from piece to piece. Used by one thread.</summary>
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

    /// <summary>The range of the token in the piece.</summary>
    public int Start, End;

    /// <summary>The neighbours; -1 for none.</summary>
    public int Previous, Next;

    /// <summary>The token that it and the next one merge into, and the rank of the merge; rank -1 where they do not merge.</summary>
    public int Rank, Merged;
}

/// <summary>The best path to a place in a piece.</summary>
internal struct PathNode
{
    public double Score;

    /// <summary>The start of the last token of the path; -1 where no path is known.</summary>
    public int From;

    public int Id;
}
