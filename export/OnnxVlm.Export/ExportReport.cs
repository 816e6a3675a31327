namespace OnnxVlm.Export;

/// <summary>What an export wrote.</summary>
public sealed record ExportReport
{
    /// <summary>The model folder.</summary>
    public required string OutputFolder { get; init; }

    /// <summary>The checkpoint's <c>model_type</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>Numbers in the checkpoint's tensors; a tied head counts once.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bytes of the files written.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>Time from the start to the folder being in place.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Whether the checkpoint had a tokenizer. A folder without one can be verified, but not prompted.</summary>
    public required bool HasTokenizer { get; init; }

    /// <summary>Where its chat template comes from.</summary>
    public required TemplateOrigin ChatTemplate { get; init; }

    /// <summary>Why the graph was not tried, although <see cref="ExportOptions.Trial"/> was given; null where it was, or where nobody asked.</summary>
    public string? TrialOmitted { get; init; }

    /// <summary>One entry for each quantized weight; empty for fp32 and fp16.</summary>
    public required IReadOnlyList<TensorReport> Quantized { get; init; }

    /// <summary>One entry for each layer whose keys and values are cached in 8 bits; empty for none.</summary>
    public IReadOnlyList<CacheReport> Caches { get; init; } = [];

    /// <summary><see cref="Quantized"/> grouped by layer, in order; weights outside the layers come first.</summary>
    public IReadOnlyList<LayerReport> Layers =>
    [
        .. Quantized.GroupBy(tensor => tensor.Layer).OrderBy(layer => layer.Key ?? -1).Select(layer => new LayerReport(
            layer.Key,
            layer.Sum(tensor => tensor.SquaredWeight) is > 0 and double weight
                ? Math.Sqrt(layer.Sum(tensor => tensor.RelativeError * tensor.RelativeError * tensor.SquaredWeight) / weight)
                : 0,
            layer.MaxBy(tensor => tensor.RelativeError)!)),
    ];
}
