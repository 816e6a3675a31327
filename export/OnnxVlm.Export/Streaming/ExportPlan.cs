using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Streaming;

/// <summary>The cost of an export, known before any weight is read.</summary>
public sealed record ExportPlan
{
    /// <summary>The checkpoint's <c>model_type</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>Numbers in the checkpoint's tensors; a tied head counts once.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bytes of the weight files that are read.</summary>
    public required long DownloadBytes { get; init; }

    /// <summary>Bytes of the weights of the result, <c>model.onnx.data</c>. They are on the disk and, when the model runs, in memory.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Memory of a conversation beside the weights.</summary>
    public required CacheSize Cache { get; init; }

    /// <summary>The most tokens of prompt and answer together.</summary>
    public required int ContextLength { get; init; }
}
