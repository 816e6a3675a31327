using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Quantization;

namespace OnnxVlm.Export.Blocks;

/// <summary>The matrix [vocabulary, H] of an embedding or a head: floats, or quantized.</summary>
/// <param name="Float">The matrix when it is not quantized.</param>
/// <param name="Quantized">The matrix when it is.</param>
internal sealed record TokenMatrix(Value Float, QuantizedMatrix? Quantized)
{
    public static TokenMatrix Create(ModelGraph model, string key, int vocabulary, int hidden)
    {
        CheckpointRows rows = new(model.Weights.Take($"{key}.weight", vocabulary, hidden));
        ExportTarget target = model.Target;

        // GatherBlockQuantized wants whole blocks; a width that has none keeps its floats.
        bool quantize = target.EmbeddingBits > 0 && hidden % target.BlockSize == 0;
        return quantize
            ? new TokenMatrix(Value.None, QuantizedMatrix.Declare(model.Graph, key, rows, target.EmbeddingBits, target.BlockSize, target.Activations))
            : new TokenMatrix(model.FloatMatrix($"{key}.weight", rows), null);
    }
}
