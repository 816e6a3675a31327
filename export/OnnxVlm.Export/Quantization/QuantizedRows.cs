using System.Buffers;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Quantization;

/// <summary>Fills a <see cref="QuantizedMatrix"/> from rows of the checkpoint, and adds up the error it makes.</summary>
internal sealed class QuantizedRows(string name, QuantizedMatrix matrix, CheckpointRows rows) : WeightSource
{
    private readonly Lock _lock = new();
    private double _squaredError, _squaredWeight, _maxError;

    public override string Name => name;

    public override IReadOnlyList<Initializer> Initializers { get; } = [matrix.Codes, matrix.Scales];

    public override long Rows => rows.Count;

    public override long RowElements => rows.Width;

    /// <summary>The error of the rows written so far.</summary>
    public TensorReport Report() =>
        new(name, matrix.Bits, matrix.BlockSize, _squaredWeight == 0 ? 0 : Math.Sqrt(_squaredError / _squaredWeight), _maxError);

    public override void WriteRows(long firstRow, int rowCount, ExternalDataFile file)
    {
        int width = rows.Width, blocks = matrix.Blocks, rowBytes = blocks * matrix.BlockBytes;
        float[] weights = ArrayPool<float>.Shared.Rent(checked(rowCount * width));
        byte[] codes = ArrayPool<byte>.Shared.Rent(checked(rowCount * rowBytes));
        float[] scales = ArrayPool<float>.Shared.Rent(rowCount * blocks);
        try
        {
            rows.Read(firstRow, weights.AsSpan(0, rowCount * width));
            for (int row = 0; row < rowCount; row++)
                QuantizeRow(weights.AsSpan(row * width, width), codes.AsSpan(row * rowBytes, rowBytes), scales.AsSpan(row * blocks, blocks));
            file.Write(matrix.Codes, firstRow * rowBytes, codes.AsSpan(0, rowCount * rowBytes));
            Span<float> used = scales.AsSpan(0, rowCount * blocks);
            byte[] encoded = MemoryWeights.Encode(matrix.Scales.Name, used, matrix.Scales.Type);
            file.Write(matrix.Scales, firstRow * blocks * (encoded.Length / used.Length), encoded);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(weights);
            ArrayPool<byte>.Shared.Return(codes);
            ArrayPool<float>.Shared.Return(scales);
        }
    }

    private void QuantizeRow(ReadOnlySpan<float> row, Span<byte> codes, Span<float> scales)
    {
        Span<float> q = stackalloc float[matrix.BlockSize];
        double squaredError = 0, squaredWeight = 0, maxError = 0;
        for (int block = 0; block < scales.Length; block++)
        {
            ReadOnlySpan<float> weights = row.Slice(block * matrix.BlockSize, Math.Min(matrix.BlockSize, row.Length - (block * matrix.BlockSize)));
            q.Clear();
            scales[block] = BlockQuantizer.Quantize(weights, matrix.Bits, q[..weights.Length]);
            if (matrix.Scales.Type == ElementType.Float16)
                scales[block] = (float)(Half)scales[block];
            for (int i = 0; i < weights.Length; i++)
            {
                double error = weights[i] - ((double)q[i] * scales[block]);
                squaredError += error * error;
                squaredWeight += (double)weights[i] * weights[i];
                maxError = Math.Max(maxError, Math.Abs(error));
            }

            Pack(q, matrix.Bits, codes.Slice(block * matrix.BlockBytes, matrix.BlockBytes));
        }

        lock (_lock)
        {
            _squaredError += squaredError;
            _squaredWeight += squaredWeight;
            _maxError = Math.Max(_maxError, maxError);
        }
    }

    /// <summary>Codes are stored unsigned: 0 is 8 of 16, or 128 of 256.</summary>
    private static void Pack(ReadOnlySpan<float> q, int bits, Span<byte> bytes)
    {
        if (bits == 8)
        {
            for (int i = 0; i < bytes.Length; i++)
                bytes[i] = (byte)((int)q[i] + 128);
            return;
        }

        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)(((int)q[2 * i] + 8) | (((int)q[(2 * i) + 1] + 8) << 4));
    }
}
