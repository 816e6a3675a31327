using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Quantization;

/// <summary>A matrix <c>[rows, width]</c> in blocks along its width, as MatMulNBits takes it.</summary>
/// <param name="Codes">uint8 <c>[rows, blocks, block · bits / 8]</c>, low nibble first.</param>
/// <param name="Scales">float <c>[rows, blocks]</c>.</param>
/// <param name="Rows">Outputs.</param>
/// <param name="Width">Inputs; the last block is filled up with zeros.</param>
/// <param name="Bits">4 or 8.</param>
/// <param name="BlockSize">Weights that share a scale.</param>
internal sealed record QuantizedMatrix(Initializer Codes, Initializer Scales, long Rows, int Width, int Bits, int BlockSize)
{
    public int Blocks => (Width + BlockSize - 1) / BlockSize;

    public int BlockBytes => BlockSize * Bits / 8;

    /// <summary>Declares the two initializers of a matrix and says what fills them.</summary>
    public static QuantizedMatrix Declare(GraphBuilder graph, string name, CheckpointRows rows, int bits, int blockSize, ElementType scaleType)
    {
        int blocks = (rows.Width + blockSize - 1) / blockSize;
        Initializer codes = graph.Declare($"{name}.codes", ElementType.UInt8, rows.Count, blocks, blockSize * bits / 8);
        Initializer scales = graph.Declare($"{name}.scales", scaleType, rows.Count, blocks);
        QuantizedMatrix matrix = new(codes, scales, rows.Count, rows.Width, bits, blockSize);
        graph.Fill(new QuantizedRows(name, matrix, rows));
        return matrix;
    }
}
