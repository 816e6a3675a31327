using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>The last layer.</summary>
internal static class Head
{
    /// <summary>The output <c>logits</c>, float32 [B, 1, vocabulary]: of the last token, since nothing else is sampled from.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="lastToken">[B, 1, H].</param>
    /// <param name="matrix">The head.</param>
    /// <param name="vocabulary">Its rows.</param>
    /// <param name="softcap">The logits become cap · tanh(logits / cap); null for none.</param>
    public static void Logits(this ModelGraph model, Value lastToken, EmbeddingMatrix matrix, int vocabulary, float? softcap = null)
    {
        GraphBuilder g = model.Graph;
        NodeBuilder last = matrix.Quantized is null
            ? model.Multiply("lm_head", lastToken, matrix.Float)
            : model.Multiply("lm_head", lastToken, matrix.Quantized);
        if (model.Type != ElementType.Float32)
            last = g.Node("Cast", "logits", last.Output(model.Type)).Set("to", (long)ElementType.Float32);
        if (softcap is float cap)
        {
            Value part = g.Node("Div", "softcap", last.Output(ElementType.Float32), g.Scalar(cap, ElementType.Float32)).Output(ElementType.Float32);
            Value softCapped = g.Node("Tanh", "softcap", part).Output(ElementType.Float32);
            last = g.Node("Mul", "softcap", softCapped, g.Scalar(cap, ElementType.Float32));
        }

        g.Output(last.Output("logits", ElementType.Float32), "batch", 1, vocabulary);
    }
}
