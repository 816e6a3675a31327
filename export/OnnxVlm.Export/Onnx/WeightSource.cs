using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Onnx;

/// <summary>
/// Produces the bytes of one or more initializers, any range of rows at a time and from several threads at once. Nothing is computed before the
/// export writes the data file, so the weights of a model are never in memory all together. <see cref="MatrixWeights"/> and
/// <see cref="DerivedWeights"/> also accept the numbers of their tensors as they arrive, for checkpoints that are read once from front to back.
/// </summary>
internal abstract class WeightSource
{
    /// <summary>Name for progress and messages.</summary>
    public abstract string Name { get; }

    /// <summary>The initializers it fills.</summary>
    public abstract IReadOnlyList<Initializer> Initializers { get; }

    /// <summary>The checkpoint's tensors that it is made from; empty where it is computed from the configuration alone.</summary>
    public virtual IReadOnlyList<CheckpointTensor> Tensors => [];

    /// <summary>Rows that can be produced independently.</summary>
    public abstract long Rows { get; }

    /// <summary>Numbers in a row, which determine the memory that a row takes while it is produced.</summary>
    public abstract long RowElements { get; }

    /// <summary>Bytes of all its initializers.</summary>
    public long SizeBytes => Initializers.Sum(initializer => initializer.SizeBytes);

    /// <summary>Produces a range of rows and writes them; the tensors are read at random. Called concurrently for different ranges.</summary>
    public abstract void WriteRows(long firstRow, int rowCount, ExternalDataFile file);
}
