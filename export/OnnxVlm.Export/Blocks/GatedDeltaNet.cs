using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Blocks;

/// <summary>
/// The gated delta rule (Yang et al., 2024): linear attention whose state of a head, S [key size, value size], decays and is corrected by each
/// token, S ← exp(g)·S, S ← S + k·(β·(v − Sᵀk))ᵀ, o = Sᵀq. A short convolution comes before it and a gated norm after it. Everything between
/// the projections is float32: a 16-bit state is wrong by half a percent and more.
/// </summary>
internal static class GatedDeltaNet
{
    private const ElementType F = ElementType.Float32;

    // The reference's constant, independent of the ε of the model's norms.
    private const float UnitEpsilon = 1e-6f;

    /// <summary>
    /// out_proj(norm(DeltaNet(silu(conv(in_proj_qkv(x))))) · silu(in_proj_z(x))). Adds the inputs <c>past_key_values.i.conv_state|recurrent_state</c>
    /// and the outputs <c>present.i.conv_state|recurrent_state</c>, float32 [B, kernel − 1, channels] and [B, value heads, key size, value size];
    /// both are 0 before the first token.
    /// </summary>
    /// <param name="model">The graph.</param>
    /// <param name="key">The checkpoint's key of the layer.</param>
    /// <param name="layer">Its index.</param>
    /// <param name="x">[B, S, H].</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="epsilon">Of the gated norm.</param>
    /// <returns>[B, S, H].</returns>
    public static Value DeltaNet(this ModelGraph model, string key, int layer, Value x, DeltaShape shape, float epsilon)
    {
        GraphBuilder g = model.Graph;
        (Value mixed, Value gate) = Project(model, key, x, shape);
        Value convolved = model.CausalConvWithState(key, layer, Widen(model, $"{key}.qkv", mixed), shape);                  // [B, S, channels]
        NodeBuilder split = g.Node("Split", $"{key}.heads", convolved, g.Constant(shape.Keys, shape.Keys, shape.Values)).Set("axis", -1);
        Value q = split.Output(F), k = split.Output(F), v = split.Output(F);

        // q is also multiplied by the scale of the scores, 1/√(key size).
        q = UnitHeads(model, $"{key}.q", q, shape, 1.0 / shape.KeySize);
        k = UnitHeads(model, $"{key}.k", k, shape, 1 / Math.Sqrt(shape.KeySize));
        (Value decay, Value beta) = model.LinearAttentionGate(key, x, shape);
        Value attended = model.LinearAttention(key, layer, q, k, v, decay, beta, shape);                                    // [B, S, values]
        Value normalized = model.GatedRmsNorm($"{key}.norm", attended, Widen(model, $"{key}.gate", gate), shape.ValueSize, epsilon);
        Value narrow = model.Type == F ? normalized : g.Cast($"{key}.normalized", normalized, model.Type);
        return model.Linear($"{key}.out_proj", narrow, shape.Values, ($"{key}.out_proj.weight", shape.Hidden));
    }

    /// <summary>silu of a convolution of each channel over the last tokens.</summary>
    /// <returns>As x.</returns>
    public static Value CausalConvWithState(this ModelGraph model, string key, int layer, Value x, DeltaShape shape)
    {
        GraphBuilder g = model.Graph;
        int past = shape.Kernel - 1;
        Value weight = model.Vector($"{key}.conv1d.weight", F, shape.Channels, 1, shape.Kernel);
        Value state = g.Input($"past_key_values.{layer}.conv_state", F, "batch", past, shape.Channels);
        Value y, present;
        if (model.Target.HasLinearAttention)
        {
            NodeBuilder convolution = g.Fused("CausalConvWithState", $"{key}.conv1d", x, weight, Value.None, state)
                .Set("ndim", 1).Set("channels_last", 1).Set("activation", "silu");
            (y, present) = (convolution.Output(F), convolution.Output($"present.{layer}.conv_state", F));
        }
        else
            (y, present) = StandardDeltaNet.Convolve(g, $"{key}.conv1d", x, weight, state, $"present.{layer}.conv_state", shape);
        g.Output(present, "batch", past, shape.Channels);
        return y;
    }

    /// <summary>
    /// The logarithm of the state's decay, −exp(A_log)·softplus(in_proj_a(x) + dt_bias), and the strength of the correction, sigmoid(in_proj_b(x)).
    /// The two matrices are small, and never quantized.
    /// </summary>
    /// <returns>[B, S, value heads] each.</returns>
    public static (Value Decay, Value Beta) LinearAttentionGate(this ModelGraph model, string key, Value x, DeltaShape shape)
    {
        GraphBuilder g = model.Graph;
        StackedMatrix both = new(
            model.Weights.Take($"{key}.in_proj_a.weight", shape.ValueHeads, shape.Hidden),
            model.Weights.Take($"{key}.in_proj_b.weight", shape.ValueHeads, shape.Hidden));
        Value projected = model.Multiply($"{key}.in_proj_ab", x, model.FloatMatrix($"{key}.in_proj_ab.weight", both)).Output(model.Type);
        NodeBuilder split = g.Node("Split", $"{key}.in_proj_ab", Widen(model, $"{key}.in_proj_ab", projected)).Set("axis", -1).Set("num_outputs", 2);
        Value a = split.Output(F), b = split.Output(F);
        Value bias = model.Vector($"{key}.dt_bias", F, shape.ValueHeads);
        Value scale = model.Derive($"{key}.A_log", F, [shape.ValueHeads], [model.Weights.Take($"{key}.A_log", shape.ValueHeads)],
            numbers => [.. numbers[0].Select(number => (float)-Math.Exp(number))]);
        if (!model.Target.HasLinearAttention)
            return StandardDeltaNet.Gate(g, key, a, bias, scale, b);
        NodeBuilder gate = g.Fused("LinearAttentionGate", key, a, bias, scale, b);
        return (gate.Output(F), gate.Output(F));
    }

    /// <summary>The recurrence.</summary>
    /// <returns>[B, S, values].</returns>
    public static Value LinearAttention(this ModelGraph model, string key, int layer, Value q, Value k, Value v, Value decay, Value beta, DeltaShape shape)
    {
        GraphBuilder g = model.Graph;
        Value state = g.Input($"past_key_values.{layer}.recurrent_state", F, "batch", shape.ValueHeads, shape.KeySize, shape.ValueSize);
        Value y, present;
        if (model.Target.HasLinearAttention)
        {
            NodeBuilder attention = g.Fused("LinearAttention", key, q, k, v, state, decay, beta)
                .Set("q_num_heads", shape.KeyHeads).Set("kv_num_heads", shape.ValueHeads).Set("update_rule", "gated_delta").Set("scale", 1f);
            (y, present) = (attention.Output(F), attention.Output($"present.{layer}.recurrent_state", F));
        }
        else
            (y, present) = StandardDeltaNet.Attend(g, key, q, k, v, decay, beta, state, $"present.{layer}.recurrent_state", shape);
        g.Output(present, "batch", shape.ValueHeads, shape.KeySize, shape.ValueSize);
        return y;
    }

    /// <summary>x / √(mean(x²) + epsilon) · weight · silu(gate), over each head.</summary>
    /// <returns>As x.</returns>
    public static Value GatedRmsNorm(this ModelGraph model, string key, Value x, Value gate, int size, float epsilon)
    {
        GraphBuilder g = model.Graph;
        Value weight = model.Vector($"{key}.weight", F, size);
        if (model.Target.HasLinearAttention)
            return g.Fused("GatedRMSNorm", key, x, weight, gate).Set("epsilon", epsilon).Output(F);
        Value apart = g.Node("Reshape", $"{key}.apart", x, g.Constant(0, 0, -1, size)).Output(F);
        Value together = g.Node("Reshape", $"{key}.together", model.RmsNorm(key, apart, weight, epsilon),
            g.Node("Shape", key, x).Output(ElementType.Int64)).Output(F);
        return g.Node("Mul", key, together, StandardDeltaNet.Silu(g, key, gate)).Output(F);
    }

    /// <summary>q, k and v one after the other, and the gate of the norm.</summary>
    private static (Value Mixed, Value Gate) Project(ModelGraph model, string key, Value x, DeltaShape shape)
    {
        (string Key, int Rows) mixed = ($"{key}.in_proj_qkv.weight", shape.Channels), gate = ($"{key}.in_proj_z.weight", shape.Values);
        if (!model.Target.Pack)
            return (model.Linear($"{key}.in_proj_qkv", x, shape.Hidden, mixed), model.Linear($"{key}.in_proj_z", x, shape.Hidden, gate));
        Value both = model.Linear($"{key}.in_proj_qkvz", x, shape.Hidden, mixed, gate);
        NodeBuilder split = model.Graph.Node("Split", $"{key}.in_proj_qkvz", both, model.Graph.Constant(shape.Channels, shape.Values)).Set("axis", -1);
        return (split.Output(model.Type), split.Output(model.Type));
    }

    /// <summary>Scales each head to length 1, times a factor: x / √(Σx² + ε) is the RMS norm with ε / size, divided by √size.</summary>
    private static Value UnitHeads(ModelGraph model, string path, Value x, DeltaShape shape, double factor)
    {
        GraphBuilder g = model.Graph;
        Value weight = g.Weight($"{path}.unit", [.. Enumerable.Repeat((float)factor, shape.KeySize)], F, shape.KeySize);
        Value apart = g.Node("Reshape", $"{path}.apart", x, g.Constant(0, 0, shape.KeyHeads, shape.KeySize)).Output(F);
        return g.Node("Reshape", $"{path}.together", model.RmsNorm($"{path}.unit", apart, weight, UnitEpsilon / shape.KeySize),
            g.Constant(0, 0, shape.Keys)).Output(F);
    }

    private static Value Widen(ModelGraph model, string path, Value x) => x.Type == F ? x : model.Graph.Cast($"{path}.wide", x, F);
}
