using System.Buffers;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Onnx;

/// <summary>A weight whose rows are made of the rows of a matrix, each of one: quantized, or as floats.</summary>
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

    /// <summary>Writes neighbouring rows, whose numbers are given. Called concurrently for different rows.</summary>
    /// <param name="firstRow">The first of them.</param>
    /// <param name="numbers">[rows, width].</param>
    /// <param name="file">Where to.</param>
    public abstract void Write(long firstRow, ReadOnlySpan<float> numbers, ExternalDataFile file);
}
