using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export;

/// <summary>How a precision is expressed in the graph of a device.</summary>
/// <param name="Device">The device the graph is for.</param>
/// <param name="Activations">Element type of the hidden states, of the key/value cache and of the scales.</param>
/// <param name="MatrixBits">Bits of the layers' matrices: 4, 8, or 0 for floats of the type of the activations; see <see cref="BitsOf"/>.</param>
/// <param name="Int8Matrices">Parts of the names of the matrices that keep 8 bits where others have 4.</param>
/// <param name="EmbeddingBits">Bits of the embedding: 8, 4, or 0 for floats.</param>
/// <param name="HeadBits">Bits of the head: 8, 4, or 0 for floats.</param>
/// <param name="BlockSize">Weights that share a scale.</param>
/// <param name="Asymmetric">Whether matrices have zero points.</param>
/// <param name="Pack">Whether matrices of the same input are one.</param>
/// <param name="AccuracyLevel">MatMulNBits' accuracy_level: 4 multiplies 8-bit activations (fast on CPUs), 0 computes with the activations as they are.</param>
internal sealed record ExportTarget(
    Device Device, ElementType Activations, int MatrixBits, IReadOnlyList<string> Int8Matrices, int EmbeddingBits, int HeadBits, int BlockSize, bool Asymmetric,
    bool Pack, int AccuracyLevel)
{
    /// <summary>Whether keys and values are cached in 8 bits.</summary>
    public bool QuantizesCache { get; init; }

    /// <summary>The scales of such a cache; null while they are not known, and the cache is one of floats.</summary>
    public CacheScales? CacheScales { get; init; }

    /// <summary>Whether the graph, with a cache of floats, tells what <see cref="CacheScales"/> would do to the answer of each attention.</summary>
    public bool MeasuresCacheError { get; init; }

    /// <summary>Whether q, k and v are separate matrices; DirectML's attention does not take them packed.</summary>
    public bool SeparateQueryKeyValue => !Pack || RotatesApart;

    /// <summary>Whether rotations are nodes of their own: DirectML's attention does not rotate.</summary>
    public bool RotatesApart => Device == Device.DirectMl;

    /// <summary>Whether ONNX's Attention (opset 23) can be used; DirectML knows older operators only.</summary>
    public bool HasAttentionOperator => Device != Device.DirectMl;

    /// <summary>
    /// Whether the cache of layers with a window may lack the first tokens of a sequence. Only the CPU's attention is known to take positions beside
    /// what the cache holds, and GPUs give memory when it is asked for, not when it is written.
    /// </summary>
    public bool EvictsFromWindows => Device == Device.Cpu;

    /// <summary>Whether ONNX Runtime's operators of linear attention can be used; the last runtime for DirectML is older than they are.</summary>
    public bool HasLinearAttention => Device != Device.DirectMl;

    /// <summary>Whether MatMulNBits adds the bias itself; only the CPU implementation is known to.</summary>
    public bool AddsBiasInProduct => Device == Device.Cpu;

    /// <summary>Bits of one of the layers' matrices: 4, 8, or 0 for floats.</summary>
    public int BitsOf(string matrix) => MatrixBits == 4 && Int8Matrices.Any(part => matrix.Contains(part, StringComparison.Ordinal)) ? 8 : MatrixBits;

    public static ExportTarget For(ExportOptions options)
    {
        bool cpu = options.Device == Device.Cpu;
        RefuseCache(options);
        int bits = Bits(options.Precision), head = options.Head is Precision chosen ? Bits(chosen) : bits == 0 ? 0 : 8;
        ElementType activations = options.Precision switch
        {
            Precision.Fp32 => ElementType.Float32,
            Precision.Fp16 => ElementType.Float16,
            _ => cpu ? ElementType.Float32 : ElementType.Float16,
        };

        // DirectML cannot gather from quantized rows. 8 bits are enough for an embedding, of which a token reads one row.
        int embedding = bits == 0 || options.Device == Device.DirectMl ? 0 : 8;
        return new ExportTarget(options.Device, activations, bits, options.Int8Matrices, embedding, head, options.BlockSize, options.Asymmetric, options.Pack, AccuracyLevel: cpu ? 4 : 0)
        {
            QuantizesCache = options.KeyValues == Precision.Int8,
        };
    }

    private static void RefuseCache(ExportOptions options)
    {
        if (options.KeyValues != Precision.Int8)
            return;
        if (options.Device == Device.DirectMl)
            throw new UnsupportedModelException("A cache in 8 bits: DirectML's attention does not have it; leave it out (--kv), or choose another device");
        if (options.Device == Device.Cpu && options.Precision == Precision.Fp16)
            throw new UnsupportedModelException("A cache in 8 bits: the CPU's attention is slower with it in fp16 than without; choose another precision, or leave it out (--kv)");
    }

    private static int Bits(Precision precision) => precision switch
    {
        Precision.Int8 => 8,
        Precision.Int4 => 4,
        _ => 0,
    };
}
