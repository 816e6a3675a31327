namespace OnnxVlm.Export.Streaming;

/// <summary>
/// The weight files of a checkpoint that is elsewhere: on a hub, in an object store. <see cref="StreamedCheckpoint"/> reads each from front to back,
/// in ranges of some MiB, several at a time. Implementations are safe for concurrent use.
/// </summary>
public interface ICheckpointSource
{
    /// <summary>Name of the checkpoint in the manifest, for example <c>google/gemma-4-12B-it</c>.</summary>
    string Name { get; }

    /// <summary>The commit that all reads come from, or another name for exactly these bytes.</summary>
    string Revision { get; }

    /// <summary>The files.</summary>
    IReadOnlyList<CheckpointFile> Files { get; }

    /// <summary>Reads a range of a file.</summary>
    /// <param name="file">One of <see cref="Files"/>.</param>
    /// <param name="offset">The first byte.</param>
    /// <param name="destination">Is filled completely.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="VlmException">The range cannot be read, after all retries that make sense.</exception>
    Task ReadAsync(CheckpointFile file, long offset, Memory<byte> destination, CancellationToken cancellationToken);
}
