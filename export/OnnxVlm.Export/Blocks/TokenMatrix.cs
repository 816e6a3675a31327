using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Quantization;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Blocks;

/// <summary>The matrix [vocabulary, H] of an embedding or a head: floats, or quantized.</summary>
/// <param name="Float">The matrix when it is not quantized.</param>
/// <param name="Quantized">The matrix when it is.</param>
internal sealed record TokenMatrix(Value Float, QuantizedMatrix? Quantized)
{
    private const string HeadPath = "lm_head";

    /// <summary>The matrix of the embedding.</summary>
    public static TokenMatrix Embedding(ModelGraph model, string key, int vocabulary, int hidden) => Create(model, key, key, vocabulary, hidden, forGather: true);

    /// <summary>The matrix of a head of its own.</summary>
    public static TokenMatrix Head(ModelGraph model, string key, int vocabulary, int hidden) => Create(model, key, HeadPath, vocabulary, hidden, forGather: false);

    /// <summary>The embedding as head: the same weights, once in the file.</summary>
    public TokenMatrix AsHead(ModelGraph model) => this with { Quantized = Quantized?.ForMultiply(model.Graph, HeadPath) };

    private static TokenMatrix Create(ModelGraph model, string key, string path, int vocabulary, int hidden, bool forGather)
    {
        CheckpointRows rows = new(model.Weights.Take($"{key}.weight", vocabulary, hidden));
        ExportTarget target = model.Target;

        // GatherBlockQuantized wants whole blocks; a width that has none keeps its floats.
        if (target.EmbeddingBits == 0 || hidden % target.BlockSize != 0)
            return new TokenMatrix(model.FloatMatrix($"{path}.weight", rows), null);
        return new TokenMatrix(
            Value.None, QuantizedMatrix.Declare(model.Graph, path, rows, target.EmbeddingBits, target.BlockSize, target.Activations, forGather));
    }
}
