using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export;

/// <summary>How a precision is expressed in the graph.</summary>
/// <param name="Activations">Element type of the hidden states and of the key/value cache.</param>
/// <param name="MatrixBits">Bits of the layers' matrices: 4, 8, or 0 for floats of the type of the activations.</param>
/// <param name="EmbeddingBits">Bits of the embedding and of the head: 8, or 0 for floats.</param>
/// <param name="BlockSize">Weights that share a scale.</param>
/// <param name="AccuracyLevel">MatMulNBits' accuracy_level: 4 multiplies 8-bit activations (fast on CPUs), 0 computes with the activations as they are.</param>
internal sealed record ExportTarget(ElementType Activations, int MatrixBits, int EmbeddingBits, int BlockSize, int AccuracyLevel)
{
    private const int FastOnCpu = 4;

    public static ExportTarget For(ExportOptions options) => options.Precision switch
    {
        Precision.Fp32 => new ExportTarget(ElementType.Float32, MatrixBits: 0, EmbeddingBits: 0, options.BlockSize, FastOnCpu),
        Precision.Fp16 => new ExportTarget(ElementType.Float16, MatrixBits: 0, EmbeddingBits: 0, options.BlockSize, FastOnCpu),
        Precision.Int8 => new ExportTarget(ElementType.Float32, MatrixBits: 8, EmbeddingBits: 8, options.BlockSize, FastOnCpu),
        _ => new ExportTarget(ElementType.Float32, MatrixBits: 4, EmbeddingBits: 8, options.BlockSize, FastOnCpu),
    };
}
