namespace OnnxVlm.Tokenizers.Alignment;

/// <summary>
/// Tells which characters of a text are from the template, and so may become part of a special token. Untrusted text never does: whatever
/// it spells, it stays text.
/// </summary>
internal readonly ref struct Trust
{
    private readonly ReadOnlySpan<bool> _flags;
    private readonly bool _otherwise;

    private Trust(ReadOnlySpan<bool> flags, bool otherwise)
    {
        _flags = flags;
        _otherwise = otherwise;
    }

    /// <summary>Every character is from the template.</summary>
    public static Trust Template => new([], true);

    /// <summary>No character is from the template.</summary>
    public static Trust Outside => new([], false);

    /// <summary>Whether only some characters are from the template.</summary>
    public bool IsMixed => _flags.Length > 0;

    /// <summary>Whether a character is from the template.</summary>
    public bool this[int index] => _flags.Length == 0 ? _otherwise : _flags[index];

    /// <summary>A flag for each character of the text; true where it is from the template.</summary>
    public static Trust Of(ReadOnlySpan<bool> flags) =>
        flags.Length == 0 ? Template : flags.Contains(!flags[0]) ? new Trust(flags, false) : new Trust([], flags[0]);

    /// <summary>Whether every character of a range is from the template.</summary>
    public bool Covers(int start, int end) => _flags.Length == 0 ? _otherwise : !_flags[start..end].Contains(false);

    /// <summary>The flags of a range of the text.</summary>
    public Trust Slice(int start, int end) => _flags.Length == 0 || start == end ? this : Of(_flags[start..end]);

    /// <summary>The flags of a text that was made from the caller's: a character is from the template if everything it was made from is.</summary>
    /// <param name="flags">A flag for each character of the caller's text.</param>
    /// <param name="text">The text, with its origins in the caller's.</param>
    public static Trust Follow(ReadOnlySpan<bool> flags, AlignedText text)
    {
        bool[] followed = new bool[text.Text.Length];
        for (int i = 0; i < followed.Length; i++)
            followed[i] = !flags[text.Origins![i].Start..text.Origins[i].End].Contains(false);
        return Of(followed);
    }
}
