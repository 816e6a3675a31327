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

    /// <summary>Inputs of the graph but the key/value cache.</summary>
    public required IReadOnlyList<GraphValue> Inputs { get; init; }

    /// <summary>Outputs of the graph but the key/value cache.</summary>
    public required IReadOnlyList<GraphValue> Outputs { get; init; }

    /// <summary>Memory of a sequence beside the weights, on the CPU.</summary>
    public required CacheSize Cache { get; init; }

    /// <summary>Bytes of the key/value cache for each token, while no layer has forgotten any.</summary>
    public long CacheBytesPerToken => Cache.TokenBytes + Cache.WindowTokenBytes;

    /// <summary>
    /// Bytes of weights that generating one token reads: matrices, norms and the head, with scales and zero points; of the embedding and the rotary tables a token reads one row each,
    /// and of the patch projection or the vision transformer nothing.
    /// </summary>
    public required long WeightBytesPerToken { get; init; }

    /// <summary>
    /// Bytes that ONNX Runtime reads besides on x64 CPUs: when it packs quantized matrices, it adds to each block's scale a float with the sum of the block's zero points times its scale, and
    /// multiplies with these sums, too, for each token.
    /// </summary>
    public required long BlockSumBytesPerToken { get; init; }

    /// <summary>All weights but tables that are computed from the configuration, and a head that has the embedding's weights in other bits.</summary>
    public long Parameters => Weights.Where(group => group.Layer is not (ModelInspector.RotaryTables or ModelInspector.TiedHead)).Sum(group => group.Numbers);

    /// <summary>Bytes of all weights.</summary>
    public long SizeBytes => Weights.Sum(group => group.SizeBytes);
}
