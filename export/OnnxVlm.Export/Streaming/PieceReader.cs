using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace OnnxVlm.Export.Streaming;

/// <summary>Reads pieces, several at a time, and hands them out in order. Not thread-safe; the buffers are.</summary>
/// <param name="source">The source of the bytes.</param>
/// <param name="limits">How many at a time.</param>
internal sealed class PieceReader(ICheckpointSource source, StreamLimits limits)
{
    private readonly ConcurrentBag<byte[]> _free = [];

    /// <summary>Reads the pieces in order.</summary>
    /// <param name="files">The files that <see cref="FilePiece.File"/> indexes.</param>
    /// <param name="pieces">The pieces.</param>
    /// <param name="cancellationToken">Stops the reads in progress.</param>
    /// <returns>Each piece with a buffer that begins with its bytes; the caller gives the buffer to <see cref="Return"/>.</returns>
    public async IAsyncEnumerable<(FilePiece Piece, byte[] Buffer)> ReadAsync(
        IReadOnlyList<CheckpointFile> files, IEnumerable<FilePiece> pieces, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using SemaphoreSlim connections = new(limits.Connections);
        using IEnumerator<FilePiece> next = pieces.GetEnumerator();
        Queue<(FilePiece Piece, Task<byte[]> Reading)> window = [];
        try
        {
            while (true)
            {
                while (window.Count < limits.Window && next.MoveNext())
                    window.Enqueue((next.Current, ReadPieceAsync(files[next.Current.File], next.Current, connections, stop.Token)));
                if (!window.TryDequeue(out (FilePiece Piece, Task<byte[]> Reading) first))
                    yield break;
                yield return (first.Piece, await first.Reading.ConfigureAwait(false));
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            foreach ((_, Task reading) in window)
                await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Takes a buffer back.</summary>
    public void Return(byte[] buffer) => _free.Add(buffer);

    private async Task<byte[]> ReadPieceAsync(CheckpointFile file, FilePiece piece, SemaphoreSlim connections, CancellationToken cancellationToken)
    {
        await connections.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            byte[]? buffer = null;
            if (piece.Length > limits.PieceBytes || !_free.TryTake(out buffer))
                buffer = new byte[Math.Max(piece.Length, limits.PieceBytes)];
            await source.ReadAsync(file, piece.Offset, buffer.AsMemory(0, piece.Length), cancellationToken).ConfigureAwait(false);
            return buffer;
        }
        finally
        {
            connections.Release();
        }
    }
}
