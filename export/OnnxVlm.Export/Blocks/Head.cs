using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>The last layer.</summary>
internal static class Head
{
    /// <summary>The output <c>logits</c>, float32 [B, 1, vocabulary]: of the last token, since nothing else is sampled from.</summary>
    public static void Logits(this ModelGraph model, Value lastToken, TokenMatrix matrix, int vocabulary)
    {
        GraphBuilder g = model.Graph;
        NodeBuilder last = matrix.Quantized is null
            ? model.Multiply("lm_head", lastToken, matrix.Float)
            : model.Multiply("lm_head", lastToken, matrix.Quantized);
        if (model.Type != ElementType.Float32)
            last = g.Node("Cast", "logits", last.Output(model.Type)).Set("to", (long)ElementType.Float32);
        g.Output(last.Output("logits", ElementType.Float32), "batch", 1, vocabulary);
    }
}
