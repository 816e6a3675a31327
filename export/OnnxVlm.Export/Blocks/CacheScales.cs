using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>Scales of a cache of 8-bit codes: a key or value is its code times the scale of its channel.</summary>
/// <param name="scales">By name of the graph's output, <c>present.i.key|value</c>: a scale for each key/value head and number of a head.</param>
internal sealed class CacheScales(IReadOnlyDictionary<string, float[]> scales)
{
    /// <summary>The scales of a layer, float [1, key/value heads, 1, stored head size] each.</summary>
    public (Value Key, Value Value) Of(GraphBuilder g, int layer, AttentionShape shape)
    {
        return (Scale("key"), Scale("value"));

        Value Scale(string kind) => g.Numbers($"present.{layer}.{kind}_scale", scales[$"present.{layer}.{kind}"], 1, shape.KeyValueHeads, 1, shape.StoredHeadSize);
    }

    /// <summary>Keys or values as floats: code · scale.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="path">Name of the nodes.</param>
    /// <param name="codes">int8 [B, key/value heads, T, stored head size].</param>
    /// <param name="scale">float [1, key/value heads, 1, stored head size].</param>
    public static Value Dequantize(ModelGraph model, string path, Value codes, Value scale)
    {
        GraphBuilder g = model.Graph;
        Value factor = model.Type == ElementType.Float32 ? scale : g.Cast($"{path}.scale", scale, model.Type);
        return g.Node("Mul", $"{path}.dequantized", g.Cast($"{path}.codes", codes, model.Type), factor).Output(model.Type);
    }
}
