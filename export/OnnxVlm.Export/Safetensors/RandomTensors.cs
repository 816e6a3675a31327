namespace OnnxVlm.Export.Safetensors;

/// <summary>Random weights of any name and shape, reproducible from a seed: a full-size model without a download, for measuring a machine.</summary>
internal sealed class RandomTensors(int seed) : TensorStore
{
    private readonly List<CheckpointTensor> _tensors = [];

    /// <inheritdoc/>
    public override IEnumerable<string> Paths => [];

    /// <inheritdoc/>
    public override long Parameters => _tensors.Sum(tensor => tensor.ElementCount);

    /// <inheritdoc/>
    public override CheckpointTensor Take(string name, params ReadOnlySpan<long> shape)
    {
        RandomTensor tensor = new(name, shape.ToArray(), seed);
        _tensors.Add(tensor);
        return tensor;
    }

    /// <inheritdoc/>
    public override string PrefixOf(string name) => "";

    /// <inheritdoc/>
    public override bool Has(string nameEnd) => false;

    /// <inheritdoc/>
    public override void Ignore(string nameEnd)
    {
    }

    /// <inheritdoc/>
    public override void LeaveOut(string namePart)
    {
    }

    /// <inheritdoc/>
    public override void RefuseUnused(string architecture)
    {
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
    }

    /// <summary>
    /// Norm weights and layer scalars are 1. Everything else is approximately normally distributed (the sum of four uniform numbers). A matrix or
    /// convolution has the standard deviation 1/sqrt(width), which preserves the magnitude of its input. A number depends only on the seed, the name
    /// and its place, so that any range can be computed at any time.
    /// </summary>
    private sealed class RandomTensor(string name, long[] shape, int seed)
        : CheckpointTensor("random weights", name, TensorType.F32, shape, fileOffset: 0, checked(shape.Aggregate(4L, (product, side) => product * side)))
    {
        // Standard deviation of the sum of four uniform 16-bit numbers.
        private const double UnitDeviation = 65536 * 0.57735026918962576;

        private static readonly string[] Ones =
            ["norm.weight", "_norm_h.weight", "_norm_w.weight", "_norm_hw.weight", "_ln1.weight", "_ln2.weight", "layer_scalar"];

        private readonly bool _isOne = shape.Length == 1 && Ones.Any(end => name.EndsWith(end, StringComparison.Ordinal));
        private readonly float _scale =
            (float)((shape.Length == 1 ? 0.02 : 1 / Math.Sqrt(shape.Skip(1).Aggregate(1.0, (product, side) => product * side))) / UnitDeviation);
        private readonly ulong _key = Key(name, seed);

        public override void Read(long firstElement, Span<float> destination)
        {
            if (_isOne)
            {
                destination.Fill(1);
                return;
            }

            for (int i = 0; i < destination.Length; i++)
            {
                ulong bits = SplitMix64.Mix(_key + ((ulong)(firstElement + i) * SplitMix64.Increment));
                int sum = (int)(bits & 0xFFFF) + (int)((bits >> 16) & 0xFFFF) + (int)((bits >> 32) & 0xFFFF) + (int)(bits >> 48);
                destination[i] = (sum - 131070) * _scale;
            }
        }

        private static ulong Key(string name, int seed)
        {
            ulong hash = 14695981039346656037 ^ (uint)seed;
            foreach (char letter in name)
                hash = (hash ^ letter) * 1099511628211;
            return SplitMix64.Mix(hash);
        }
    }
}
