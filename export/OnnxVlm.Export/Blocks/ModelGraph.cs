using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Quantization;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Blocks;

/// <summary>
/// What an architecture file builds with: the graph, the checkpoint's tensors and the target. The blocks of this folder are its extension methods;
/// each takes the checkpoint's key of the layer as its path. Shapes in comments: B batch, S tokens of this run, T tokens with the past, H hidden.
/// </summary>
internal sealed class ModelGraph
{
    public ModelGraph(TensorStore weights, ExportTarget target)
    {
        Weights = weights;
        Target = target;
        InputIds = Graph.Input("input_ids", ElementType.Int64, "batch", "sequence");
        AttentionMask = Graph.Input("attention_mask", ElementType.Int64, "batch", "total");
    }

    public GraphBuilder Graph { get; } = new();

    public TensorStore Weights { get; }

    public ExportTarget Target { get; }

    /// <summary>int64 [B, S].</summary>
    public Value InputIds { get; }

    /// <summary>int64 [B, T], 1 for a token.</summary>
    public Value AttentionMask { get; }

    /// <summary>Element type of the hidden states.</summary>
    public ElementType Type => Target.Activations;

    /// <summary>y = x · Wᵀ; several matrices of the same input are stacked into one multiplication.</summary>
    /// <param name="path">Name of the product in the graph.</param>
    /// <param name="x">[B, S, width].</param>
    /// <param name="width">Inputs.</param>
    /// <param name="parts">The checkpoint's matrices [rows, width] and their rows.</param>
    /// <returns>[B, S, sum of the rows].</returns>
    public Value Linear(string path, Value x, int width, params ReadOnlySpan<(string Key, int Rows)> parts)
    {
        CheckpointTensor[] tensors = new CheckpointTensor[parts.Length];
        for (int i = 0; i < parts.Length; i++)
            tensors[i] = Weights.Take(parts[i].Key, parts[i].Rows, width);
        return Linear(path, x, new StackedMatrix(tensors));
    }

    /// <summary>y = x · Wᵀ + b.</summary>
    /// <param name="path">Name of the product in the graph.</param>
    /// <param name="x">[B, S, width of the rows].</param>
    /// <param name="rows">W.</param>
    /// <param name="bias">b, one for each row; null for none.</param>
    /// <param name="leastBits">The fewest bits of a quantized W: 4, or 8 where it has to be more exact.</param>
    /// <returns>[B, S, rows].</returns>
    public Value Linear(string path, Value x, StackedMatrix rows, Value? bias = null, int leastBits = 4)
    {
        if (Target.BitsOf(path) is int chosen and > 0)
        {
            int bits = Math.Max(chosen, leastBits);
            var matrix = QuantizedMatrix.Declare(Graph, path, rows, bits, Target);
            bool adds = bias is null || Target.AddsBiasInProduct;
            Value product = Multiply(path, x, matrix, adds ? bias : null).Output(Type);
            return adds ? product : Graph.Node("Add", path, product, bias!.Value).Output(Type);
        }

        Value y = Multiply(path, x, FloatMatrix($"{path}.weight", rows)).Output(Type);
        return bias is Value b ? Graph.Node("Add", path, y, b).Output(Type) : y;
    }

    /// <summary>A matrix in the checkpoint's layout, [rows, width], in the type of the activations unless another is given.</summary>
    public Value FloatMatrix(string name, StackedMatrix rows, ElementType? type = null)
    {
        Initializer initializer = Graph.Declare(name, type ?? Type, rows.Count, rows.Width);
        Graph.Fill(new FloatWeights(initializer, rows));
        return initializer.Value;
    }

    /// <summary>
    /// x · Wᵀ. FusedMatMul transposes while it packs the weights, so the file keeps the checkpoint's layout, and a tied head is the embedding itself.
    /// </summary>
    public NodeBuilder Multiply(string path, Value x, Value matrix) => Graph.Fused("FusedMatMul", path, x, matrix).Set("transB", 1);

    /// <summary>x · Wᵀ, or x · Wᵀ + b, with a quantized W.</summary>
    public NodeBuilder Multiply(string path, Value x, QuantizedMatrix matrix, Value? bias = null)
    {
        // Codes, scales, zero points, order of the columns, bias. Inputs left out at the end are not named.
        Value zeros = matrix.ZeroPoints?.Value ?? Value.None;
        NodeBuilder product = (zeros, bias) switch
        {
            (_, Value b) => Graph.Fused("MatMulNBits", path, x, matrix.Codes.Value, matrix.Scales.Value, zeros, Value.None, b),
            ({ Name: "" }, null) => Graph.Fused("MatMulNBits", path, x, matrix.Codes.Value, matrix.Scales.Value),
            _ => Graph.Fused("MatMulNBits", path, x, matrix.Codes.Value, matrix.Scales.Value, zeros),
        };
        return product
            .Set("K", matrix.Width).Set("N", matrix.Rows)
            .Set("bits", matrix.Bits).Set("block_size", matrix.BlockSize).Set("accuracy_level", Target.AccuracyLevel);
    }

    /// <summary>A small tensor of the checkpoint as it is.</summary>
    public Value Vector(string key, ElementType type, params ReadOnlySpan<long> shape) =>
        Derive(key, type, shape, [Weights.Take(key, shape)], numbers => numbers[0]);

    /// <summary>A vector of the checkpoint with 1 added to each number: the weights of a norm that are stored around 0.</summary>
    public Value OneMore(string key, int length) =>
        Derive(key, Type, [length], [Weights.Take(key, length)], numbers => [.. numbers[0].Select(number => 1 + number)]);

    /// <summary>A vector of the checkpoint with its numbers in another order.</summary>
    public Value Vector(string key, int[] order) =>
        Derive(key, Type, [order.Length], [Weights.Take(key, order.Length)], numbers => [.. order.Select(i => numbers[0][i])]);

    /// <summary>
    /// A small weight that is computed from whole tensors when it is written. No number of the checkpoint is available earlier, while the graph is built.
    /// </summary>
    /// <param name="name">Name of the weight.</param>
    /// <param name="type">Its element type.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="tensors">What it is computed from.</param>
    /// <param name="compute">From the numbers of each tensor, row-major, to those of the weight. It may overwrite its arguments.</param>
    public Value Derive(string name, ElementType type, ReadOnlySpan<long> shape, CheckpointTensor[] tensors, Func<float[][], float[]> compute)
    {
        Initializer initializer = Graph.Declare(name, type, shape);
        Graph.Fill(new DerivedWeights([initializer], tensors, numbers => [compute(numbers)]));
        return initializer.Value;
    }

    /// <summary>y = x / sqrt(mean(x²) + epsilon) · weight, over the last axis (Zhang and Sennrich, 2019).</summary>
    /// <param name="path">Name of the norm in the graph.</param>
    /// <param name="x">[…, n].</param>
    /// <param name="weight">[n].</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <returns>As x.</returns>
    public Value RmsNorm(string path, Value x, Value weight, float epsilon) =>
        Graph.Node("SimplifiedLayerNormalization", path, x, weight).Set("axis", -1).Set("epsilon", epsilon).Set("stash_type", 1).Output(x.Type);

    /// <summary>The last row of each sequence: [B, S, n] → [B, 1, n].</summary>
    public Value LastToken(string path, Value x) =>
        Graph.Node("Slice", path, x, Graph.Constant(-1), Graph.Constant(long.MaxValue), Graph.Constant(1)).Output(x.Type);
}
