using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;

namespace OnnxVlm.Export.Onnx;

/// <summary>
/// <c>model.onnx.data</c> while it is written: each source writes its rows at their place, several at a time. It can also compare an existing file
/// with what would be written. Disposing closes the file.
/// </summary>
internal sealed class ExternalDataFile : IDisposable
{
    /// <summary>Numbers produced at a time: 4 MiB of floats for each thread.</summary>
    private const long ChunkElements = 1 << 20;

    private readonly string _path;
    private readonly SafeFileHandle _handle;
    private readonly bool _compares;
    private long _bytesWritten;

    private ExternalDataFile(string path, SafeFileHandle handle, bool compares)
    {
        _path = path;
        _handle = handle;
        _compares = compares;
    }

    /// <summary>Creates the file at its final size, which fails here if the disk has too little room.</summary>
    /// <exception cref="IOException">The file already exists, the disk is full, or the file system (FAT32: 4 GiB) does not allow files
    /// of that size.</exception>
    public static ExternalDataFile Create(string path, long sizeBytes)
    {
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.None, preallocationSize: sizeBytes);
            RandomAccess.SetLength(handle, sizeBytes);
            return new ExternalDataFile(path, handle, compares: false);
        }
        catch (ArgumentOutOfRangeException exception)            // .NET's name for "file too large"
        {
            handle?.Dispose();
            throw new IOException($"the file system holds no file of {sizeBytes} bytes", exception);
        }
        catch (IOException)
        {
            handle?.Dispose();
            throw;
        }
    }

    /// <summary>Opens a partly written file.</summary>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    public static ExternalDataFile Reopen(string path) =>
        new(path, File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None), compares: false);

    /// <summary>Opens a complete file; writing to it compares instead.</summary>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    public static ExternalDataFile Compare(string path) =>
        new(path, File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read), compares: true);

    /// <summary>The same file, for comparing with what was written. It shares this file's handle and is not disposed.</summary>
    public ExternalDataFile ForComparing() => new(_path, _handle, compares: true);

    /// <summary>Writes bytes of an initializer, or compares them. Thread-safe.</summary>
    /// <exception cref="ModelLoadException">The file has other bytes.</exception>
    public void Write(Initializer initializer, long offset, ReadOnlySpan<byte> bytes)
    {
        if (offset < 0 || offset > initializer.SizeBytes - bytes.Length)
            throw new InvalidOperationException($"{initializer.Name}: bytes {offset} to {offset + bytes.Length} are beyond its {initializer.SizeBytes} bytes.");
        if (_compares)
            Compare(initializer, offset, bytes);
        else
            RandomAccess.Write(_handle, bytes, initializer.Offset + offset);
        Interlocked.Add(ref _bytesWritten, bytes.Length);
    }

    /// <summary>Returns when everything written so far would survive a power failure.</summary>
    public void Flush() => RandomAccess.FlushToDisk(_handle);

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
            // One cause is enough for a message; the others concern the same disk or the same checkpoint.
            ExceptionDispatchInfo.Throw(exception.Flatten().InnerExceptions[0]);
        }

        if (_bytesWritten != total)
            throw new InvalidOperationException($"{_path}: expected {total} bytes of weights, wrote {_bytesWritten}.");
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private void Compare(Initializer initializer, long offset, ReadOnlySpan<byte> bytes)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(bytes.Length);
        Span<byte> found = rented.AsSpan(0, bytes.Length);
        int read = 0;
        while (read < found.Length && RandomAccess.Read(_handle, found[read..], initializer.Offset + offset + read) is > 0 and int more)
            read += more;
        bool isSame = read == found.Length && bytes.SequenceEqual(found);
        ArrayPool<byte>.Shared.Return(rented);
        if (!isSame)
            throw new ModelLoadException($"{_path}: {initializer.Name} differs from the checkpoint; remove the folder and pull the model again");
    }

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
