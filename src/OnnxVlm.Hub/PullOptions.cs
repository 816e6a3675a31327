using OnnxVlm.Export;
using OnnxVlm.Runtime;

namespace OnnxVlm.Hub;

/// <summary>How a model is pulled. Immutable. These options take precedence over the variant in the name.</summary>
public sealed record PullOptions
{
    /// <summary>Storage of the weights. Null for an automatic choice: int4 for models of more than a billion parameters, otherwise int8.</summary>
    public Precision? Precision { get; init; }

    /// <summary>Weights that share a scale: 32, 64 or 128; null for 32.</summary>
    public int? BlockSize { get; init; }

    /// <summary>The device that the graph is written for; null for the CPU.</summary>
    public Device? Device { get; init; }

    /// <summary>Whether the checkpoint is first downloaded into Hugging Face's cache, and stays there. Default no: it is never on this disk.</summary>
    public bool KeepsCheckpoint { get; init; }

    /// <summary>Whether a model that is already here is pulled again. Default no.</summary>
    public bool PullsAgain { get; init; }

    /// <summary>The folder to write; null for the folder of the model's name. <see cref="ModelHub.UpgradeAsync"/> sets it.</summary>
    internal string? Folder { get; init; }
}
