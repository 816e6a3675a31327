using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Inspection;

/// <summary>What a model's graph is made of.</summary>
public sealed record ModelSummary
{
    /// <summary>The weights by kind of layer and storage, largest first.</summary>
    public required IReadOnlyList<WeightGroup> Weights { get; init; }

    /// <summary>Operators of ONNX Runtime's own domain, and how many nodes each has.</summary>
    public required IReadOnlyDictionary<string, int> FusedOperators { get; init; }

    /// <summary>Nodes of the standard operators.</summary>
    public required int StandardNodes { get; init; }

    /// <summary>Inputs of the graph, without the key/value cache.</summary>
    public required IReadOnlyList<GraphValue> Inputs { get; init; }

    /// <summary>Outputs of the graph, without the key/value cache.</summary>
    public required IReadOnlyList<GraphValue> Outputs { get; init; }

    /// <summary>Memory of a sequence beside the weights, on the CPU.</summary>
    public required CacheSize Cache { get; init; }

    /// <summary>Bytes of the key/value cache for each token, while no layer has forgotten any.</summary>
    public long CacheBytesPerToken => Cache.TokenBytes + Cache.WindowTokenBytes;

    /// <summary>
    /// Bytes of weights that generating one token reads: matrices, norms and the head, with scales and zero points. A token reads one row each of the
    /// embedding and of the rotary tables, and nothing of the patch projection or the vision transformer.
    /// </summary>
    public required long WeightBytesPerToken { get; init; }

    /// <summary>
    /// Bytes that ONNX Runtime reads in addition on x64 CPUs. When it packs quantized matrices, it stores for each block's scale a float with the sum
    /// of the block's zero points times the scale; it reads these sums for each token, too.
    /// </summary>
    public required long BlockSumBytesPerToken { get; init; }

    /// <summary>
    /// All weights, without tables computed from the configuration, and without a head that repeats the embedding's weights in other bits.
    /// </summary>
    public long Parameters => Weights.Where(group => group.Layer is not (ModelInspector.RotaryTables or ModelInspector.TiedHead)).Sum(group => group.Numbers);

    /// <summary>Bytes of all weights.</summary>
    public long SizeBytes => Weights.Sum(group => group.SizeBytes);
}
