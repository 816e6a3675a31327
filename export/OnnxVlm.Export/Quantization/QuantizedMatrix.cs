using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Quantization;

/// <summary>A matrix <c>[rows, width]</c> in blocks along its width.</summary>
/// <param name="Codes">
/// uint8, low nibble first: <c>[rows, blocks, bytes of a block]</c> for MatMulNBits, <c>[rows, bytes of a row]</c> for GatherBlockQuantized.
/// </param>
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
    /// <param name="graph">The graph.</param>
    /// <param name="name">Name of the matrix.</param>
    /// <param name="rows">The checkpoint's weights.</param>
    /// <param name="bits">4 or 8.</param>
    /// <param name="blockSize">Weights that share a scale.</param>
    /// <param name="scaleType">Element type of the scales.</param>
    /// <param name="forGather">Whether the matrix is an embedding: the same bytes in two dimensions.</param>
    public static QuantizedMatrix Declare(
        GraphBuilder graph, string name, CheckpointRows rows, int bits, int blockSize, ElementType scaleType, bool forGather = false)
    {
        int blocks = (rows.Width + blockSize - 1) / blockSize, blockBytes = blockSize * bits / 8;
        Initializer codes = forGather
            ? graph.Declare($"{name}.codes", ElementType.UInt8, rows.Count, blocks * blockBytes)
            : graph.Declare($"{name}.codes", ElementType.UInt8, rows.Count, blocks, blockBytes);
        Initializer scales = graph.Declare($"{name}.scales", scaleType, rows.Count, blocks);
        QuantizedMatrix matrix = new(codes, scales, rows.Count, rows.Width, bits, blockSize);
        graph.Fill(new QuantizedRows(name, matrix, rows));
        return matrix;
    }

    /// <summary>The matrix of an embedding as one to multiply with: other dimensions over the same bytes of the file.</summary>
    public QuantizedMatrix ForMultiply(GraphBuilder graph, string name) =>
        this with { Codes = graph.DeclareAlias($"{name}.codes", Codes, Rows, Blocks, BlockBytes) };
}
