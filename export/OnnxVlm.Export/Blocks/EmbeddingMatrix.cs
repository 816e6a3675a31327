using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Quantization;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Blocks;

/// <summary>The matrix [vocabulary, H] of an embedding or a head: floats, or quantized.</summary>
/// <param name="Rows">The checkpoint's weights.</param>
/// <param name="Float">The matrix when it is not quantized.</param>
/// <param name="Quantized">The matrix when it is.</param>
internal sealed record EmbeddingMatrix(StackedMatrix Rows, Value Float, QuantizedMatrix? Quantized)
{
    /// <summary>Path of a head that is stored separately although its weights are the embedding's.</summary>
    public const string TiedHeadPath = "lm_head.tied";

    private const string HeadPath = "lm_head";

    /// <summary>The matrix of the embedding.</summary>
    public static EmbeddingMatrix Embedding(ModelGraph model, string key, int vocabulary, int hidden, bool isTied)
    {
        const string Head = "lm_head.weight";
        CheckpointTensor matrix = model.Weights.Take($"{key}.weight", vocabulary, hidden);
        CheckpointTensor? copy = isTied && model.Weights.Has(Head) ? model.Weights.Take($"{model.Weights.PrefixOf(Head)}{Head}", vocabulary, hidden) : null;
        var rows = StackedMatrix.Tied(matrix, copy);

        // GatherBlockQuantized needs whole blocks; a matrix whose width is not a multiple of the block keeps its floats.
        bool quantize = model.Target.EmbeddingBits > 0 && hidden % model.Target.BlockSize == 0;
        return Create(model, rows, key, quantize ? model.Target.EmbeddingBits : 0, forGather: true);
    }

    /// <summary>The matrix of a head of its own.</summary>
    public static EmbeddingMatrix Head(ModelGraph model, string key, int vocabulary, int hidden) =>
        Create(model, new StackedMatrix(model.Weights.Take($"{key}.weight", vocabulary, hidden)), HeadPath, model.Target.HeadBits, forGather: false);

    /// <summary>The embedding as head: the same weights, stored once where embedding and head have the same bits.</summary>
    public EmbeddingMatrix AsHead(ModelGraph model) => (Quantized?.Bits ?? 0) == model.Target.HeadBits
        ? this with { Quantized = Quantized?.ForMultiply(model.Graph, HeadPath) }
        : Create(model, Rows, TiedHeadPath, model.Target.HeadBits, forGather: false);

    private static EmbeddingMatrix Create(ModelGraph model, StackedMatrix rows, string path, int bits, bool forGather) => bits == 0
        ? new EmbeddingMatrix(rows, model.FloatMatrix($"{path}.weight", rows), null)
        : new EmbeddingMatrix(rows, Value.None, QuantizedMatrix.Declare(model.Graph, path, rows, bits, model.Target, forGather));
}
