namespace OnnxVlm.Hub;

/// <summary>How far a pull is.</summary>
/// <param name="Stage">What it is doing.</param>
/// <param name="BytesDone">Bytes of the stage that are done, with those of an earlier pull; it never becomes less within a stage.</param>
/// <param name="BytesTotal">Bytes of the stage; 0 where it has none.</param>
public sealed record PullProgress(PullStage Stage, long BytesDone, long BytesTotal)
{
    /// <summary>Bytes a second over the last ten seconds; null while that is not known.</summary>
    public double? BytesPerSecond { get; init; }

    /// <summary>One line that a person should see; null for nothing new.</summary>
    public string? Note { get; init; }

    /// <summary>The time left at this rate; null while that is not known.</summary>
    public TimeSpan? TimeLeft => BytesPerSecond is double rate and > 0 ? TimeSpan.FromSeconds((BytesTotal - BytesDone) / rate) : null;
}
