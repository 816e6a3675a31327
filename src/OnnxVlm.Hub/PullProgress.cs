namespace OnnxVlm.Hub;

/// <summary>The progress of a pull.</summary>
/// <param name="Stage">The current stage.</param>
/// <param name="BytesDone">Bytes of the stage that are done, including those of an earlier pull; it never decreases within a stage.</param>
/// <param name="BytesTotal">Bytes of the stage; 0 where it has none.</param>
public sealed record PullProgress(PullStage Stage, long BytesDone, long BytesTotal)
{
    /// <summary>Bytes per second over the last ten seconds; null while unknown.</summary>
    public double? BytesPerSecond { get; init; }

    /// <summary>One line to show to the user; null for nothing new.</summary>
    public string? Note { get; init; }

    /// <summary>The time left at this rate; null while unknown.</summary>
    public TimeSpan? TimeLeft => BytesPerSecond is double rate and > 0 ? TimeSpan.FromSeconds((BytesTotal - BytesDone) / rate) : null;
}
