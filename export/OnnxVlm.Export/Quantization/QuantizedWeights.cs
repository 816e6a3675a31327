using System.Buffers;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Quantization;

/// <summary>Fills a <see cref="QuantizedMatrix"/> from rows of the checkpoint, and adds up the error it makes.</summary>
internal sealed class QuantizedWeights(string name, QuantizedMatrix matrix, StackedMatrix rows) : MatrixWeights(rows)
{
    /// <summary>The report's baseline, plain rounding in blocks of 32, is measured on one of so many rows.</summary>
    private const int PlainRowInterval = 16;
    private const int PlainBlockSize = 32;

    private readonly Lock _lock = new();
    private double _squaredError, _squaredWeight, _maxError, _plainSquaredError, _plainSquaredWeight;

    public override string Name => name;

    public int Bits => matrix.Bits;

    public override IReadOnlyList<Initializer> Initializers { get; } =
        matrix.ZeroPoints is Initializer zeros ? [matrix.Codes, matrix.Scales, zeros] : [matrix.Codes, matrix.Scales];

    /// <summary>The error of the rows written so far.</summary>
    public TensorReport Report() => new(name, matrix.Bits, matrix.BlockSize, Relative(_squaredError, _squaredWeight), _maxError)
    {
        SquaredWeight = _squaredWeight,
        PlainError = matrix.Bits == 4 ? Relative(_plainSquaredError, _plainSquaredWeight) : null,
    };

    public override void Write(long firstRow, ReadOnlySpan<float> numbers, ExternalDataFile file)
    {
        int width = matrix.Width, rowCount = numbers.Length / width;
        int blocks = matrix.Blocks, rowBytes = blocks * matrix.BlockBytes, zeroBytes = matrix.ZeroPoints is null ? 0 : matrix.ZeroPointBytes;
        byte[] codes = ArrayPool<byte>.Shared.Rent(checked(rowCount * rowBytes));
        float[] scales = ArrayPool<float>.Shared.Rent(rowCount * blocks);
        byte[] zeros = ArrayPool<byte>.Shared.Rent(rowCount * zeroBytes);
        try
        {
            Errors errors = default;
            for (int row = 0; row < rowCount; row++)
            {
                ReadOnlySpan<float> weights = numbers.Slice(row * width, width);
                QuantizeRow(weights, codes.AsSpan(row * rowBytes, rowBytes), scales.AsSpan(row * blocks, blocks), zeros.AsSpan(row * zeroBytes, zeroBytes),
                    ref errors);
                if (matrix.Bits == 4 && (firstRow + row) % PlainRowInterval == 0)
                    MeasurePlainRounding(weights, ref errors);
            }

            Add(errors);
            file.Write(matrix.Codes, firstRow * rowBytes, codes.AsSpan(0, rowCount * rowBytes));
            Span<float> used = scales.AsSpan(0, rowCount * blocks);
            byte[] encoded = MemoryWeights.Encode(matrix.Scales.Name, used, matrix.Scales.Type);
            file.Write(matrix.Scales, firstRow * blocks * (encoded.Length / used.Length), encoded);
            if (matrix.ZeroPoints is Initializer zeroPoints)
                file.Write(zeroPoints, firstRow * zeroBytes, zeros.AsSpan(0, rowCount * zeroBytes));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(codes);
            ArrayPool<float>.Shared.Return(scales);
            ArrayPool<byte>.Shared.Return(zeros);
        }
    }

    private void QuantizeRow(ReadOnlySpan<float> row, Span<byte> codes, Span<float> scales, Span<byte> zeros, ref Errors errors)
    {
        Span<float> q = stackalloc float[matrix.BlockSize];
        zeros.Clear();
        for (int block = 0; block < scales.Length; block++)
        {
            ReadOnlySpan<float> weights = row.Slice(block * matrix.BlockSize, Math.Min(matrix.BlockSize, row.Length - (block * matrix.BlockSize)));
            q.Clear();
            int zero = 1 << (matrix.Bits - 1);
            float scale;
            if (matrix.ZeroPoints is null)
            {
                scale = BlockQuantizer.Quantize(weights, matrix.Bits, q[..weights.Length]);
            }
            else
            {
                (scale, zero) = BlockQuantizer.QuantizeAsymmetric(weights, matrix.Bits, q[..weights.Length]);
                zeros[block * matrix.Bits / 8] |= (byte)(matrix.Bits == 8 ? zero : zero << (4 * (block % 2)));
            }

            if (matrix.Scales.Type == ElementType.Float16)
                scale = (float)(Half)scale;
            scales[block] = scale;
            errors.Add(weights, q, scale);
            Pack(q, matrix.Bits, zero, codes.Slice(block * matrix.BlockBytes, matrix.BlockBytes));
        }
    }

    private static void MeasurePlainRounding(ReadOnlySpan<float> row, ref Errors errors)
    {
        Span<float> q = stackalloc float[PlainBlockSize];
        for (int start = 0; start < row.Length; start += PlainBlockSize)
        {
            ReadOnlySpan<float> weights = row.Slice(start, Math.Min(PlainBlockSize, row.Length - start));
            errors.AddPlain(weights, q, BlockQuantizer.QuantizeNaively(weights, q));
        }
    }

    private void Add(in Errors errors)
    {
        lock (_lock)
        {
            _squaredError += errors.Squared;
            _squaredWeight += errors.Weight;
            _maxError = Math.Max(_maxError, errors.Max);
            _plainSquaredError += errors.PlainSquared;
            _plainSquaredWeight += errors.PlainWeight;
        }
    }

    private static double Relative(double error, double weight) => weight == 0 ? 0 : Math.Sqrt(error / weight);

    /// <summary>Codes are stored unsigned: 0 is the zero point.</summary>
    private static void Pack(ReadOnlySpan<float> q, int bits, int zero, Span<byte> bytes)
    {
        if (bits == 8)
        {
            for (int i = 0; i < bytes.Length; i++)
                bytes[i] = (byte)((int)q[i] + zero);
            return;
        }

        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)(((int)q[2 * i] + zero) | (((int)q[(2 * i) + 1] + zero) << 4));
    }

    /// <summary>Sums of one call, which are added to the matrix's at its end.</summary>
    private struct Errors
    {
        public double Squared, Weight, Max, PlainSquared, PlainWeight;

        public void Add(ReadOnlySpan<float> weights, ReadOnlySpan<float> q, float scale)
        {
            (double squared, double weight, float max) = Measure(weights, q, scale);
            Squared += squared;
            Weight += weight;
            Max = Math.Max(Max, max);
        }

        public void AddPlain(ReadOnlySpan<float> weights, ReadOnlySpan<float> q, float scale)
        {
            (double squared, double weight, _) = Measure(weights, q, scale);
            PlainSquared += squared;
            PlainWeight += weight;
        }

        // A block is short enough for 32-bit sums.
        private static (double Squared, double Weight, float Max) Measure(ReadOnlySpan<float> weights, ReadOnlySpan<float> q, float scale)
        {
            float squared = 0, weight = 0, max = 0;
            for (int i = 0; i < weights.Length; i++)
            {
                float error = weights[i] - (q[i] * scale);
                squared += error * error;
                weight += weights[i] * weights[i];
                max = MathF.Max(max, MathF.Abs(error));
            }

            return (squared, weight, max);
        }
    }
}
