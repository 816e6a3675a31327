using System.Buffers;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Streaming;

/// <summary>
/// Passes the numbers of tensors, in any order, to the weights that are made from them. Rows of matrices are written at once, wherever they belong;
/// small tensors are kept until the weight that needs them can be computed. Safe for concurrent use.
/// </summary>
internal sealed class WeightRouter
{
    private readonly Dictionary<CheckpointTensor, List<(MatrixWeights Weights, int Part)>> _rowUsers = [];
    private readonly HashSet<CheckpointTensor> _copies = [];
    private readonly Dictionary<CheckpointTensor, List<Collector>> _wholeUsers = [];

    /// <param name="sources">The weights of the graph.</param>
    /// <param name="tensors">All tensors, in the order of their arrival.</param>
    /// <param name="isFinished">Whether a weight that is computed from whole tensors was written before a restart.</param>
    public WeightRouter(IEnumerable<WeightSource> sources, IReadOnlyList<CheckpointTensor> tensors, Func<string, bool> isFinished)
    {
        foreach (WeightSource source in sources)
        {
            switch (source)
            {
                case MatrixWeights matrix:
                    foreach ((int part, CheckpointTensor tensor) in matrix.Matrix.Parts.Index())
                        Add(_rowUsers, tensor, (matrix, part));

                    // Of a matrix and its copy, the one that arrives first is written, and the other is compared with it.
                    if (matrix.Matrix.Copy is CheckpointTensor copy)
                    {
                        Add(_rowUsers, copy, (matrix, 0));
                        _copies.Add(tensors.First(tensor => tensor == copy || tensor == matrix.Tensors[0]) == copy ? matrix.Tensors[0] : copy);
                    }

                    break;
                case DerivedWeights derived when !isFinished(derived.Name):
                    Collector collector = new(derived);
                    foreach (CheckpointTensor tensor in derived.Tensors)
                        Add(_wholeUsers, tensor, collector);
                    break;
            }
        }

        static void Add<T>(Dictionary<CheckpointTensor, List<T>> users, CheckpointTensor tensor, T user)
        {
            if (!users.TryGetValue(tensor, out List<T>? list))
                users.Add(tensor, list = []);
            list.Add(user);
        }
    }

    /// <summary>Whether a tensor is still needed.</summary>
    public bool IsUsed(CheckpointTensor tensor) => _rowUsers.ContainsKey(tensor) || _wholeUsers.ContainsKey(tensor);

    /// <summary>Whether a tensor must arrive in whole rows.</summary>
    public bool ComesByRows(CheckpointTensor tensor) => _rowUsers.ContainsKey(tensor);

    /// <summary>Whether a tensor is needed for a weight that is computed from whole tensors and not written yet.</summary>
    public bool IsCollected(CheckpointTensor tensor) => _wholeUsers.ContainsKey(tensor);

    /// <summary>Whether a tensor is compared with an earlier one, which must be written completely by then.</summary>
    public bool IsCopy(CheckpointTensor tensor) => _copies.Contains(tensor);

    /// <summary>Writes what can be written from a slice.</summary>
    /// <param name="slice">The slice.</param>
    /// <param name="file">The data file.</param>
    /// <param name="finished">Called with the name of each weight that was computed from whole tensors and is now written.</param>
    /// <exception cref="ModelLoadException">A number is not finite or does not fit 16 bits, or a copy has different numbers.</exception>
    public void Write(TensorSlice slice, ExternalDataFile file, Action<string> finished)
    {
        CheckpointTensor tensor = slice.Tensor;
        int count = slice.Bytes.Length / SafetensorsHeader.ElementBytes(tensor.Type);
        float[] rented = ArrayPool<float>.Shared.Rent(count);
        try
        {
            Span<float> numbers = rented.AsSpan(0, count);
            tensor.Convert(slice.Bytes.Span, numbers);

            // What was written before a restart is read again only for the collectors.
            if (!slice.Piece.IsRepeated && _rowUsers.TryGetValue(tensor, out List<(MatrixWeights Weights, int Part)>? rowUsers))
            {
                foreach ((MatrixWeights weights, int part) in rowUsers)
                {
                    if (IsCopy(tensor))
                        Compare(weights, part, slice.FirstElement / weights.Matrix.Width, numbers, file);
                    else
                        WriteRows(weights, part, slice.FirstElement / weights.Matrix.Width, numbers, file);
                }
            }

            foreach (Collector collector in _wholeUsers.GetValueOrDefault(tensor) ?? [])
            {
                if (!collector.Add(tensor, slice.FirstElement, numbers, file))
                    continue;
                finished(collector.Weights.Name);
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }

    private static void Compare(MatrixWeights weights, int part, long firstRow, ReadOnlySpan<float> numbers, ExternalDataFile file)
    {
        try
        {
            WriteRows(weights, part, firstRow, numbers, file.ForComparing());
        }
        catch (ModelLoadException)
        {
            throw weights.Matrix.OtherCopy();
        }
    }

    /// <summary>Rows that are adjacent in the result are written together; where the result has another order, they are gathered first.</summary>
    private static void WriteRows(MatrixWeights weights, int part, long firstRow, ReadOnlySpan<float> numbers, ExternalDataFile file)
    {
        int width = weights.Matrix.Width;
        long[] places = new long[numbers.Length / width];
        weights.Matrix.FindPlaces(part, firstRow, places);
        int[] rows = [.. Enumerable.Range(0, places.Length)];
        Array.Sort(places, rows);
        for (int start = Array.FindIndex(places, place => place >= 0), run; start >= 0 && start < places.Length; start += run)
        {
            bool isInOrder = true;
            for (run = 1; start + run < places.Length && places[start + run] == places[start] + run; run++)
                isInOrder &= rows[start + run] == rows[start] + run;
            if (isInOrder)
            {
                weights.Write(places[start], numbers.Slice(rows[start] * width, run * width), file);
                continue;
            }

            float[] gathered = ArrayPool<float>.Shared.Rent(run * width);
            for (int i = 0; i < run; i++)
                numbers.Slice(rows[start + i] * width, width).CopyTo(gathered.AsSpan(i * width));
            weights.Write(places[start], gathered.AsSpan(0, run * width), file);
            ArrayPool<float>.Shared.Return(gathered);
        }
    }

    /// <summary>Collects the tensors of one weight as they arrive.</summary>
    private sealed class Collector(DerivedWeights weights)
    {
        private readonly Lock _lock = new();
        private readonly float[]?[] _numbers = new float[]?[weights.Tensors.Count];
        private long _missing = weights.RowElements;

        public DerivedWeights Weights => weights;

        /// <summary>Adds numbers of a tensor; writes the weight when it is complete.</summary>
        public bool Add(CheckpointTensor tensor, long firstElement, ReadOnlySpan<float> numbers, ExternalDataFile file)
        {
            lock (_lock)
            {
                for (int i = 0; i < _numbers.Length; i++)
                {
                    if (weights.Tensors[i] != tensor)
                        continue;
                    _numbers[i] ??= new float[tensor.ElementCount];
                    numbers.CopyTo(_numbers[i].AsSpan((int)firstElement));
                    _missing -= numbers.Length;
                }

                if (_missing > 0)
                    return false;
                weights.Write(_numbers!, file);
                Array.Clear(_numbers);
                return true;
            }
        }
    }
}
