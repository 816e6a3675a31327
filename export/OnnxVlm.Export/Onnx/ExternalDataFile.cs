using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;

namespace OnnxVlm.Export.Onnx;

/// <summary>
/// <c>model.onnx.data</c> while it is written: each source puts its rows at their place, several at a time. Disposing closes the file.
/// </summary>
internal sealed class ExternalDataFile : IDisposable
{
    /// <summary>Numbers produced at a time: 4 MiB of floats for each thread.</summary>
    private const long ChunkElements = 1 << 20;

    private readonly string _path;
    private readonly SafeFileHandle _handle;
    private long _bytesWritten;

    /// <summary>Creates the file at its final size; a disk without that much room is found out here.</summary>
    /// <exception cref="IOException">The file exists already, the disk is full, or its file system (FAT32: 4 GiB) has no files of that size.</exception>
    public ExternalDataFile(string path, long sizeBytes)
    {
        _path = path;
        try
        {
            _handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, preallocationSize: sizeBytes);
            RandomAccess.SetLength(_handle, sizeBytes);
        }
        catch (ArgumentOutOfRangeException exception)            // .NET's name for "file too large"
        {
            _handle?.Dispose();
            throw new IOException($"the file system holds no file of {sizeBytes} bytes", exception);
        }
    }

    /// <summary>Writes bytes of an initializer. Thread-safe.</summary>
    public void Write(Initializer initializer, long offset, ReadOnlySpan<byte> bytes)
    {
        if (offset < 0 || offset > initializer.SizeBytes - bytes.Length)
            throw new InvalidOperationException($"{initializer.Name}: bytes {offset} to {offset + bytes.Length} are beyond its {initializer.SizeBytes} bytes.");
        RandomAccess.Write(_handle, bytes, initializer.Offset + offset);
        Interlocked.Add(ref _bytesWritten, bytes.Length);
    }

    /// <summary>Produces and writes all weights, in parallel, in the order of the file.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void WriteAll(IReadOnlyList<WeightSource> sources, IProgress<ExportProgress>? progress, CancellationToken cancellationToken)
    {
        long total = sources.Sum(source => source.SizeBytes);
        ParallelOptions options = new() { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellationToken };
        try
        {
            Parallel.ForEach(Partitioner.Create(Chunks(sources), EnumerablePartitionerOptions.NoBuffering), options, chunk =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                chunk.Source.WriteRows(chunk.FirstRow, chunk.RowCount, this);
                progress?.Report(new ExportProgress(chunk.Source.Name, Interlocked.Read(ref _bytesWritten), total));
            });
        }
        catch (AggregateException exception)
        {
            // One cause is enough for a message; the others are the same disk or the same checkpoint.
            ExceptionDispatchInfo.Throw(exception.Flatten().InnerExceptions[0]);
        }

        if (_bytesWritten != total)
            throw new InvalidOperationException($"{_path}: expected {total} bytes of weights, wrote {_bytesWritten}.");
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private static IEnumerable<(WeightSource Source, long FirstRow, int RowCount)> Chunks(IReadOnlyList<WeightSource> sources)
    {
        foreach (WeightSource source in sources)
        {
            int step = (int)Math.Clamp(ChunkElements / Math.Max(1, source.RowElements), 1, int.MaxValue);
            for (long row = 0; row < source.Rows; row += step)
                yield return (source, row, (int)Math.Min(step, source.Rows - row));
        }
    }
}
