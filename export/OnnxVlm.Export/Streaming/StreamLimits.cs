namespace OnnxVlm.Export.Streaming;

/// <summary>How much of a checkpoint is under way at a time.</summary>
internal sealed record StreamLimits
{
    /// <summary>What exports use: about 120 MB of buffers.</summary>
    public static StreamLimits Default { get; } = new();

    /// <summary>Bytes of a piece, if no row is longer.</summary>
    public int PieceBytes { get; init; } = 8 << 20;

    /// <summary>Numbers of a slice, if no row is longer: what one thread converts at a time.</summary>
    public int SliceElements { get; init; } = 1 << 20;

    /// <summary>Pieces that are read at a time.</summary>
    public int Connections { get; init; } = 8;

    /// <summary>Pieces that are read ahead, those under way with them: as long as these last, nothing waits for a slow one.</summary>
    public int Window { get; init; } = 12;

    /// <summary>Bytes after which the state is saved. A kill costs at most what was written since.</summary>
    public long BytesBetweenSaves { get; init; } = 64 << 20;

    /// <summary>Time after which the state is saved, whatever has come.</summary>
    public TimeSpan TimeBetweenSaves { get; init; } = TimeSpan.FromSeconds(5);
}
