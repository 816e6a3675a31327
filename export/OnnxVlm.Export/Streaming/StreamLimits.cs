namespace OnnxVlm.Export.Streaming;

/// <summary>How much of a checkpoint is in flight at a time.</summary>
internal sealed record StreamLimits
{
    /// <summary>The limits of exports: about 120 MB of buffers.</summary>
    public static StreamLimits Default { get; } = new();

    /// <summary>Bytes of a piece, unless a row is longer.</summary>
    public int PieceBytes { get; init; } = 8 << 20;

    /// <summary>Numbers in a slice, unless a row is longer: what one thread converts at a time.</summary>
    public int SliceElements { get; init; } = 1 << 20;

    /// <summary>Pieces that are read concurrently.</summary>
    public int Connections { get; init; } = 8;

    /// <summary>Pieces that are read ahead, including those in flight. While there are finished ones, nothing waits for a slow one.</summary>
    public int Window { get; init; } = 12;

    /// <summary>Bytes after which the state is saved. A kill loses at most what was written since.</summary>
    public long BytesBetweenSaves { get; init; } = 64 << 20;

    /// <summary>Time after which the state is saved, even if fewer bytes have arrived.</summary>
    public TimeSpan TimeBetweenSaves { get; init; } = TimeSpan.FromSeconds(5);
}
