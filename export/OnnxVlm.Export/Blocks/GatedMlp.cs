using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>The gated feed-forward layer (Shazeer, 2020).</summary>
internal static class GatedMlp
{
    /// <summary>down(silu(gate(x)) · up(x)), silu(z) = z · sigmoid(z); gate and up are one multiplication.</summary>
    /// <returns>[B, S, H].</returns>
    public static Value SiluMlp(this ModelGraph model, string key, Value x, int hidden, int intermediate) =>
        Mlp(model, key, x, hidden, intermediate, gate => model.Graph.Fused("QuickGelu", $"{key}.silu", gate).Set("alpha", 1f));

    /// <summary>
    /// down(gelu(gate(x)) · up(x)), gelu(z) = z/2 · (1 + tanh(√(2/π)·(z + 0.044715·z³))) (Hendrycks and Gimpel, 2016); gate and
    /// up are one multiplication.
    /// </summary>
    /// <returns>[B, S, H].</returns>
    public static Value GeluMlp(this ModelGraph model, string key, Value x, int hidden, int intermediate) =>
        Mlp(model, key, x, hidden, intermediate, gate => model.Graph.Node("Gelu", $"{key}.gelu", gate).Set("approximate", "tanh"));

    private static Value Mlp(ModelGraph model, string key, Value x, int hidden, int intermediate, Func<Value, NodeBuilder> activation)
    {
        GraphBuilder g = model.Graph;
        (Value gate, Value up) = model.Target.Pack ? Packed() : (Part("gate_proj"), Part("up_proj"));
        Value product = g.Node("Mul", key, activation(gate).Output(model.Type), up).Output(model.Type);
        return model.Linear($"{key}.down_proj", product, intermediate, ($"{key}.down_proj.weight", hidden));

        Value Part(string name) => model.Linear($"{key}.{name}", x, hidden, ($"{key}.{name}.weight", intermediate));

        (Value Gate, Value Up) Packed()
        {
            Value both = model.Linear($"{key}.gate_up_proj", x, hidden, ($"{key}.gate_proj.weight", intermediate), ($"{key}.up_proj.weight", intermediate));
            NodeBuilder split = g.Node("Split", key, both).Set("axis", -1).Set("num_outputs", 2);
            return (split.Output(model.Type), split.Output(model.Type));
        }
    }
}
