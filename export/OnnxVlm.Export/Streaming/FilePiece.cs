namespace OnnxVlm.Export.Streaming;

/// <summary>A range of a weight file that is read at once.</summary>
/// <param name="File">Index of the file.</param>
/// <param name="Offset">Its first byte.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="IsRepeated">Whether these bytes were read before a restart, and are read again because what is computed from them had not been
/// written. They are not part of the file's running hash.</param>
internal sealed record FilePiece(int File, long Offset, int Length, bool IsRepeated)
{
    private int _slicesLeft;

    /// <summary>The byte after the last.</summary>
    public long End => Offset + Length;

    /// <summary>Sets the number of slices that it was cut into.</summary>
    public void Expect(int slices) => _slicesLeft = slices;

    /// <summary>Counts a slice as written.</summary>
    /// <returns>Whether it was the last one.</returns>
    public bool FinishSlice() => Interlocked.Decrement(ref _slicesLeft) == 0;
}
