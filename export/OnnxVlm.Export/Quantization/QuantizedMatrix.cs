using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Quantization;

/// <summary>A matrix <c>[rows, width]</c> in blocks along its width.</summary>
/// <param name="Codes">
/// uint8, low nibble first: <c>[rows, blocks, bytes of a block]</c> for MatMulNBits, <c>[rows, bytes of a row]</c> for GatherBlockQuantized.
/// </param>
/// <param name="Scales">float <c>[rows, blocks]</c>.</param>
/// <param name="ZeroPoints">uint8 <c>[rows, bytes]</c>, one code for each block, packed like the codes; null for the middle of the range.</param>
/// <param name="Rows">Outputs.</param>
/// <param name="Width">Inputs; the last block is padded with zeros.</param>
/// <param name="Bits">4 or 8.</param>
/// <param name="BlockSize">Weights that share a scale.</param>
internal sealed record QuantizedMatrix(Initializer Codes, Initializer Scales, Initializer? ZeroPoints, long Rows, int Width, int Bits, int BlockSize)
{
    public int Blocks => (Width + BlockSize - 1) / BlockSize;

    public int BlockBytes => BlockSize * Bits / 8;

    /// <summary>Bytes of the zero points of a row.</summary>
    public int ZeroPointBytes => ((Blocks * Bits) + 7) / 8;

    /// <summary>Declares the initializers of a matrix and sets their source.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="name">Name of the matrix.</param>
    /// <param name="rows">The checkpoint's weights.</param>
    /// <param name="bits">4 or 8.</param>
    /// <param name="target">Block size, type of the scales, zero points or not.</param>
    /// <param name="forGather">Whether the matrix is an embedding: the same bytes in two dimensions, and never with zero points.</param>
    public static QuantizedMatrix Declare(
        GraphBuilder graph, string name, StackedMatrix rows, int bits, ExportTarget target, bool forGather = false)
    {
        int blockSize = target.BlockSize, blocks = (rows.Width + blockSize - 1) / blockSize, blockBytes = blockSize * bits / 8;
        Initializer codes = forGather
            ? graph.Declare($"{name}.codes", ElementType.UInt8, rows.Count, blocks * blockBytes)
            : graph.Declare($"{name}.codes", ElementType.UInt8, rows.Count, blocks, blockBytes);
        Initializer scales = graph.Declare($"{name}.scales", target.Activations, rows.Count, blocks);
        Initializer? zeros = target.Asymmetric && !forGather ? graph.Declare($"{name}.zeros", ElementType.UInt8, rows.Count, ((blocks * bits) + 7) / 8) : null;
        QuantizedMatrix matrix = new(codes, scales, zeros, rows.Count, rows.Width, bits, blockSize);
        graph.Fill(new QuantizedWeights(name, matrix, rows));
        return matrix;
    }

    /// <summary>The matrix of an embedding for multiplication: other dimensions over the same bytes of the file.</summary>
    public QuantizedMatrix ForMultiply(GraphBuilder graph, string name) =>
        this with { Codes = graph.DeclareAlias($"{name}.codes", Codes, Rows, Blocks, BlockBytes) };
}
