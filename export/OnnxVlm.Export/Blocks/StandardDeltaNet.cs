using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>
/// The parts of <see cref="GatedDeltaNet"/> in standard operators, for runtimes that do not have the fused ones: the same numbers, several times slower.
/// </summary>
internal static class StandardDeltaNet
{
    private const ElementType F = ElementType.Float32;

    /// <summary>silu of a convolution of each channel over the last tokens.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="path">Name of the nodes.</param>
    /// <param name="x">[B, S, channels].</param>
    /// <param name="weight">[channels, 1, kernel].</param>
    /// <param name="state">The tokens before, [B, kernel − 1, channels].</param>
    /// <param name="present">Name of the next state.</param>
    /// <param name="shape">Sizes.</param>
    /// <returns>[B, S, channels], and the next state.</returns>
    public static (Value Y, Value Present) Convolve(GraphBuilder g, string path, Value x, Value weight, Value state, string present, DeltaShape shape)
    {
        Value all = g.Node("Concat", path, state, x).Set("axis", 1).Output(F);                                              // [B, kernel − 1 + S, channels]
        Value next = g.Node("Slice", path, all, g.Constant(1 - shape.Kernel), g.Constant(long.MaxValue), g.Constant(1)).Output(present, F);
        Value channels = g.Node("Transpose", $"{path}.in", all).Set("perm", 0, 2, 1).Output(F);
        Value convolved = g.Node("Conv", path, channels, weight).Set("group", shape.Channels).Set("kernel_shape", [shape.Kernel]).Output(F);
        return (Silu(g, path, g.Node("Transpose", $"{path}.out", convolved).Set("perm", 0, 2, 1).Output(F)), next);
    }

    /// <summary>scale · softplus(a + bias), and sigmoid(b).</summary>
    public static (Value Decay, Value Beta) Gate(GraphBuilder g, string path, Value a, Value bias, Value scale, Value b)
    {
        Value step = g.Node("Softplus", $"{path}.decay", g.Node("Add", $"{path}.decay", a, bias).Output(F)).Output(F);
        return (g.Node("Mul", $"{path}.decay", step, scale).Output(F), g.Node("Sigmoid", $"{path}.beta", b).Output(F));
    }

    /// <summary>The recurrence, token by token: S ← exp(g)·S, S ← S + k·(β·(v − Sᵀk))ᵀ, o = Sᵀq.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="path">Name of the nodes.</param>
    /// <param name="q">[B, S, key heads · key size].</param>
    /// <param name="k">As q.</param>
    /// <param name="v">[B, S, value heads · value size].</param>
    /// <param name="decay">[B, S, value heads].</param>
    /// <param name="beta">As decay.</param>
    /// <param name="state">[B, value heads, key size, value size].</param>
    /// <param name="present">Name of the next state.</param>
    /// <param name="shape">Sizes.</param>
    /// <returns>[B, S, values], and the next state.</returns>
    public static (Value Y, Value Present) Attend(
        GraphBuilder g, string path, Value q, Value k, Value v, Value decay, Value beta, Value state, string present, DeltaShape shape)
    {
        // Each key head serves several value heads, which follow each other.
        int served = shape.ValueHeads / shape.KeyHeads;
        Value start = Reshape("past", state, 0, shape.KeyHeads, served, shape.KeySize, shape.ValueSize);
        Value[] sequences =
        [
            Reshape("q", q, 0, 0, shape.KeyHeads, 1, shape.KeySize, 1), Reshape("k", k, 0, 0, shape.KeyHeads, 1, shape.KeySize, 1),
            Reshape("v", v, 0, 0, shape.KeyHeads, served, 1, shape.ValueSize),
            Reshape("decay", g.Node("Exp", $"{path}.kept", decay).Output(F), 0, 0, shape.KeyHeads, served, 1, 1),
            Reshape("beta", beta, 0, 0, shape.KeyHeads, served, 1, 1),
        ];
        (Value end, Value results) = g.Scan($"{path}.scan", start, sequences, (s, items) =>
        {
            Value kept = Binary("Mul", "kept", s, items[3]);
            Value error = Binary("Sub", "error", items[2], Sum("known", Binary("Mul", "known", kept, items[1])));
            Value next = Binary("Add", "next", kept, Binary("Mul", "change", items[1], Binary("Mul", "correction", items[4], error)));
            return (next, Sum("read", Binary("Mul", "read", next, items[0])));
        });
        Value y = Reshape("results", results, 0, 0, shape.Values);
        return (y, g.Node("Reshape", $"{path}.present", end, g.Constant(0, shape.ValueHeads, shape.KeySize, shape.ValueSize)).Output(present, F));

        Value Reshape(string name, Value x, params ReadOnlySpan<long> sides) => g.Node("Reshape", $"{path}.scan.{name}", x, g.Constant(sides)).Output(F);

        Value Binary(string op, string name, Value a, Value b) => g.Node(op, $"{path}.scan.{name}", a, b).Output(F);

        // Over the key size.
        Value Sum(string name, Value x) => g.Node("ReduceSum", $"{path}.scan.{name}", x, g.Constant(-2)).Set("keepdims", 1).Output(F);
    }

    /// <summary>x · sigmoid(x).</summary>
    public static Value Silu(GraphBuilder g, string path, Value x) =>
        g.Node("Mul", $"{path}.silu", x, g.Node("Sigmoid", $"{path}.silu", x).Output(F)).Output(F);
}
