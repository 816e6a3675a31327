using System.Buffers;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Onnx;

/// <summary>A weight, quantized or as floats, each of whose rows is made from one row of a matrix.</summary>
/// <param name="matrix">The checkpoint's matrices.</param>
internal abstract class MatrixWeights(StackedMatrix matrix) : WeightSource
{
    /// <summary>The checkpoint's matrices.</summary>
    public StackedMatrix Matrix => matrix;

    public override IReadOnlyList<CheckpointTensor> Tensors { get; } = matrix.Copy is CheckpointTensor copy ? [.. matrix.Parts, copy] : matrix.Parts;

    public override long Rows => matrix.Count;

    public override long RowElements => matrix.Width;

    public override void WriteRows(long firstRow, int rowCount, ExternalDataFile file)
    {
        int count = checked(rowCount * matrix.Width);
        float[] rented = ArrayPool<float>.Shared.Rent(count);
        try
        {
            Span<float> numbers = rented.AsSpan(0, count);
            matrix.Read(firstRow, numbers);
            Write(firstRow, numbers, file);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }

    /// <summary>Writes adjacent rows, whose numbers are given. Called concurrently for different rows.</summary>
    /// <param name="firstRow">The first of them.</param>
    /// <param name="numbers">[rows, width].</param>
    /// <param name="file">The data file.</param>
    public abstract void Write(long firstRow, ReadOnlySpan<float> numbers, ExternalDataFile file);
}
