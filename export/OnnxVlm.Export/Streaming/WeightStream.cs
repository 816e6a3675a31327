using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Streaming;

/// <summary>
/// One pass through the weight files of a checkpoint: pieces arrive in order, are hashed, cut into slices, and written by several threads. At
/// intervals the data file is flushed and the state saved; a run that finds a state continues from it.
/// </summary>
internal sealed class WeightStream
{
    /// <summary>Represents, among the finished weights, those that are computed from the configuration alone.</summary>
    private const string Computed = "computed";

    private readonly ICheckpointSource _source;
    private readonly IReadOnlyList<StreamedFile> _files;
    private readonly IReadOnlyList<WeightSource> _weights;
    private readonly ExternalDataFile _data;
    private readonly string? _stateFolder;
    private readonly StreamLimits _limits;
    private readonly string _key;
    private readonly WeightRouter _router;
    private readonly PieceCutter _cutter;
    private readonly PieceReader _reader;

    private readonly Lock _lock = new();
    private readonly long[] _bytesDone;
    private readonly bool[] _isVerified;
    private readonly bool[] _isHashWhole;
    private readonly HashSet<string> _finished;
    private readonly Queue<(FilePiece Piece, StrongBox<bool> IsDone)> _underWay = [];
    private bool _hasFailed;
    private bool _isSaving;
    private long _bytesSinceSave;
    private long _timeOfSave = Stopwatch.GetTimestamp();

    /// <param name="source">Where the weights are.</param>
    /// <param name="files">The files, with their headers.</param>
    /// <param name="weights">The weights that are made from them.</param>
    /// <param name="data">The data file.</param>
    /// <param name="stateFolder">Where the state is saved; null to save none.</param>
    /// <param name="key">See <see cref="StreamState.Key"/>.</param>
    /// <param name="state">The state to continue from; null to start anew.</param>
    /// <param name="limits">How much is in flight at a time.</param>
    public WeightStream(
        ICheckpointSource source, IReadOnlyList<StreamedFile> files, IReadOnlyList<WeightSource> weights, ExternalDataFile data, string? stateFolder,
        string key, StreamState? state, StreamLimits limits)
    {
        _source = source;
        _files = files;
        _weights = weights;
        _data = data;
        _stateFolder = stateFolder;
        _key = key;
        _finished = [.. state?.Finished ?? []];
        _bytesDone = [.. files.Select((file, i) => Math.Clamp(state?.BytesDone[i] ?? 0, file.Header.DataStart, file.File.SizeBytes))];

        // If the last bytes of a file are read anew, it is no longer the file whose hash was checked.
        _isVerified = [.. files.Select((file, i) => state is not null && state.IsVerified[i] && _bytesDone[i] == file.File.SizeBytes)];
        _isHashWhole = [.. files.Select((file, i) => _bytesDone[i] == file.Header.DataStart)];
        IsResumed = state is not null;
        _router = new WeightRouter(weights, [.. files.SelectMany(file => file.Header.Tensors)], _finished.Contains);
        _cutter = new PieceCutter(_router, limits);
        _reader = new PieceReader(source, limits);
        _limits = limits;
    }

    /// <summary>Whether the run continued an earlier one.</summary>
    public bool IsResumed { get; }

    /// <summary>The progress so far.</summary>
    public StreamState State
    {
        get
        {
            lock (_lock)
                return new StreamState
                {
                    Key = _key,
                    BytesDone = [.. _bytesDone],
                    IsVerified = [.. _isVerified],
                    Finished = [.. _finished],
                    IsResumed = IsResumed,
                };
        }
    }

    /// <summary>Reads and writes everything that is still missing.</summary>
    /// <param name="progress">Reports the bytes of the files that are written, from several threads.</param>
    /// <param name="cancellationToken">Interrupts the run; the state is saved.</param>
    /// <exception cref="ModelLoadException">A number is not finite, or a file has another hash; the next run reads that file again.</exception>
    public async Task RunAsync(IProgress<ExportProgress>? progress, CancellationToken cancellationToken)
    {
        try
        {
            WriteComputed(cancellationToken);
            long total = _files.Sum(file => file.File.SizeBytes);
            ParallelOptions options = new() { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellationToken };
            await Parallel.ForEachAsync(ReadSlicesAsync(cancellationToken), options, (entry, _) =>
            {
                (TensorSlice? slice, FilePiece piece, byte[] buffer) = entry;
                if (slice is TensorSlice some)
                    _router.Write(some, _data, Finish);
                if (piece.FinishSlice())
                {
                    _reader.Return(buffer);
                    FinishPiece(piece);
                    progress?.Report(new ExportProgress(_files[piece.File].File.Name, BytesDone, total));
                }

                return ValueTask.CompletedTask;
            }).ConfigureAwait(false);
            if (BytesDone != total || _weights.Any(weights => weights is DerivedWeights && !_finished.Contains(weights.Name)))
                throw new InvalidOperationException($"{_source.Name}: {total - BytesDone} bytes or a weight were left out.");
        }
        finally
        {
            Save();
        }
    }

    private long BytesDone
    {
        get
        {
            lock (_lock)
                return _bytesDone.Sum();
        }
    }

    private void WriteComputed(CancellationToken cancellationToken)
    {
        if (_finished.Contains(Computed))
            return;
        _data.WriteAll([.. _weights.Where(weights => weights.Tensors.Count == 0)], progress: null, cancellationToken);
        Finish(Computed);
    }

    private void Finish(string weights)
    {
        lock (_lock)
        {
            if (!_hasFailed)
                _finished.Add(weights);
        }
    }

    /// <summary>Pieces in order, hashed and cut. A piece that nothing is made from has one entry without a slice.</summary>
    private async IAsyncEnumerable<(TensorSlice? Slice, FilePiece Piece, byte[] Buffer)> ReadSlicesAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        int current = -1;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await foreach ((FilePiece piece, byte[] buffer) in _reader.ReadAsync(
            [.. _files.Select(file => file.File)], Pieces(), cancellationToken).ConfigureAwait(false))
        {
            if (!piece.IsRepeated)
            {
                if (piece.File != current)
                {
                    current = piece.File;
                    hash.GetHashAndReset();
                    hash.AppendData(_files[current].HeaderBytes.Span);
                }

                hash.AppendData(buffer, 0, piece.Length);
                if (piece.End == _files[current].File.SizeBytes && _isHashWhole[current])
                    CheckHash(current, Convert.ToHexStringLower(hash.GetHashAndReset()));
            }

            else
            {
                // These bytes differ from the ones that were hashed.
                lock (_lock)
                    _isVerified[piece.File] = false;
            }

            List<TensorSlice> slices = _cutter.Slice(piece, _files[piece.File].Header.Tensors, buffer.AsMemory(0, piece.Length));
            if (slices.Any(slice => _router.IsCopy(slice.Tensor)))
                await FinishAllBeforeAsync(cancellationToken).ConfigureAwait(false);
            piece.Expect(Math.Max(1, slices.Count));
            if (!piece.IsRepeated)
            {
                lock (_lock)
                    _underWay.Enqueue((piece, new StrongBox<bool>()));
            }

            if (slices.Count == 0)
                yield return (null, piece, buffer);
            foreach (TensorSlice slice in slices)
                yield return (slice, piece, buffer);
        }
    }

    /// <summary>Waits until every piece handed out so far is written.</summary>
    private async Task FinishAllBeforeAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            lock (_lock)
            {
                if (_underWay.Count == 0)
                    return;
            }

            await Task.Delay(1, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The order of reading: first, again, the small tensors that were read but not written before a restart; then everything that was not read.
    /// </summary>
    private IEnumerable<FilePiece> Pieces()
    {
        for (int i = 0; i < _files.Count; i++)
        {
            foreach (CheckpointTensor tensor in _files[i].Header.Tensors.Where(_router.IsCollected))
            {
                long end = Math.Min(tensor.FileOffset + tensor.SizeBytes, _bytesDone[i]);
                foreach (FilePiece piece in _cutter.Cut(i, [tensor], tensor.FileOffset, end, isRepeated: true))
                    yield return piece;
            }
        }

        long[] starts = [.. _bytesDone];
        for (int i = 0; i < _files.Count; i++)
        {
            foreach (FilePiece piece in _cutter.Cut(i, _files[i].Header.Tensors, starts[i], _files[i].File.SizeBytes))
                yield return piece;
        }
    }

    private void CheckHash(int file, string found)
    {
        CheckpointFile expected = _files[file].File;
        if (expected.Sha256 is null || expected.Sha256.Equals(found, StringComparison.OrdinalIgnoreCase))
        {
            lock (_lock)
                _isVerified[file] = expected.Sha256 is not null;
            return;
        }

        lock (_lock)
        {
            // What was already made from it, and what still follows, is overwritten by the next run.
            _hasFailed = true;
            (FilePiece Piece, StrongBox<bool> IsDone)[] others = [.. _underWay.Where(entry => entry.Piece.File != file)];
            _underWay.Clear();
            foreach ((FilePiece Piece, StrongBox<bool> IsDone) entry in others)
                _underWay.Enqueue(entry);
            _bytesDone[file] = 0;
            foreach (WeightSource weights in _weights.Where(weights => weights.Tensors.Any(_files[file].Header.Tensors.Contains)))
                _finished.Remove(weights.Name);
        }

        throw new ModelLoadException(
            $"{_source.Name}: {expected.Name}: expected SHA-256 {expected.Sha256}, found {found}: " +
            "it was damaged on the way; pull again, only this file is read again");
    }

    /// <summary>Advances the file's mark over all pieces that are written, up to the first one that is not.</summary>
    private void FinishPiece(FilePiece piece)
    {
        bool isTime;
        lock (_lock)
        {
            foreach ((FilePiece other, StrongBox<bool> isDone) in _underWay)
                isDone.Value |= ReferenceEquals(other, piece);
            while (_underWay.TryPeek(out (FilePiece Piece, StrongBox<bool> IsDone) first) && first.IsDone.Value)
            {
                _bytesDone[first.Piece.File] = first.Piece.End;
                _underWay.Dequeue();
            }

            _bytesSinceSave += piece.Length;
            isTime = !_isSaving && (_bytesSinceSave >= _limits.BytesBetweenSaves || Stopwatch.GetElapsedTime(_timeOfSave) >= _limits.TimeBetweenSaves);
            _isSaving |= isTime;
        }

        if (isTime)
            Save();
    }

    /// <summary>The saved state was taken before the data was flushed.</summary>
    private void Save()
    {
        if (_stateFolder is null)
            return;
        StreamState state = State;
        _data.Flush();
        state.Save(_stateFolder);
        lock (_lock)
        {
            _isSaving = false;
            _bytesSinceSave = 0;
            _timeOfSave = Stopwatch.GetTimestamp();
        }
    }
}
