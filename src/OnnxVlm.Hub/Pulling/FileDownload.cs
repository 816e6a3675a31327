using System.Security.Cryptography;
using OnnxVlm.Export.Streaming;

namespace OnnxVlm.Hub.Pulling;

/// <summary>
/// Downloads a file unchanged: several ranges are read at a time, and written and hashed in order. The part of an earlier try is hashed
/// first and then continued.
/// </summary>
/// <param name="source">The source of the file.</param>
internal sealed class FileDownload(ICheckpointSource source)
{
    private const int PieceBytes = 8 << 20;
    private const int Connections = 8;

    /// <summary>Downloads a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="path">The path to write; an existing file is the beginning of the download.</param>
    /// <param name="progress">Receives the number of bytes, after each piece.</param>
    /// <param name="cancellationToken">Interrupts the download; what is written stays.</param>
    /// <returns>The SHA-256.</returns>
    /// <exception cref="ModelHubException">The file's hash differs from the expected one; the file is removed.</exception>
    public async Task<string> RunAsync(CheckpointFile file, string path, Action<long> progress, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using (FileStream target = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0))
        {
            if (target.Length > file.SizeBytes)
                target.SetLength(0);
            await HashExistingAsync(target, hash, progress, cancellationToken).ConfigureAwait(false);
            await AppendAsync(file, target, hash, progress, cancellationToken).ConfigureAwait(false);
            target.Flush(flushToDisk: true);
        }

        string found = Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant();
        if (file.Sha256 is null || file.Sha256 == found)
            return found;
        File.Delete(path);
        throw new ModelHubException(ModelHubError.Damaged,
            $"{source.Name}: {file.Name}: expected SHA-256 {file.Sha256}, found {found}: it was damaged on the way; pull again, only this file is read again");
    }

    private static async Task HashExistingAsync(FileStream target, IncrementalHash hash, Action<long> progress, CancellationToken cancellationToken)
    {
        byte[] block = new byte[1 << 20];
        while (await target.ReadAsync(block, cancellationToken).ConfigureAwait(false) is > 0 and int read)
        {
            hash.AppendData(block, 0, read);
            progress(target.Position);
        }
    }

    private async Task AppendAsync(CheckpointFile file, FileStream target, IncrementalHash hash, Action<long> progress, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Queue<Task<byte[]>> window = [];
        long next = target.Position;
        try
        {
            while (true)
            {
                for (; window.Count < Connections && next < file.SizeBytes; next += PieceBytes)
                    window.Enqueue(ReadAsync(file, next, (int)Math.Min(PieceBytes, file.SizeBytes - next), stop.Token));
                if (!window.TryDequeue(out Task<byte[]>? first))
                    return;
                byte[] piece = await first.ConfigureAwait(false);
                await target.WriteAsync(piece, cancellationToken).ConfigureAwait(false);
                hash.AppendData(piece);
                progress(target.Position);
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            foreach (Task reading in window)
                await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<byte[]> ReadAsync(CheckpointFile file, long offset, int length, CancellationToken cancellationToken)
    {
        byte[] piece = new byte[length];
        await source.ReadAsync(file, offset, piece, cancellationToken).ConfigureAwait(false);
        return piece;
    }
}
