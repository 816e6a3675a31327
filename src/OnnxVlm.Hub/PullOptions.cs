using OnnxVlm.Export;
using OnnxVlm.Runtime;

namespace OnnxVlm.Hub;

/// <summary>How a model is pulled. Immutable. What is given here goes before the variant of the name.</summary>
public sealed record PullOptions
{
    /// <summary>Storage of the weights; null for what fits: int4 for models of more than a billion parameters, else int8.</summary>
    public Precision? Precision { get; init; }

    /// <summary>Weights that share a scale: 32, 64 or 128; null for the usual 32.</summary>
    public int? BlockSize { get; init; }

    /// <summary>The device that the graph is written for; null for the CPU.</summary>
    public Device? Device { get; init; }

    /// <summary>Whether the checkpoint is downloaded into Hugging Face's cache first, and stays there. Default no: it is never on this disk.</summary>
    public bool KeepsCheckpoint { get; init; }

    /// <summary>Whether a model that is here is pulled again. Default no.</summary>
    public bool PullsAgain { get; init; }

    /// <summary>The folder to write; null for the one of the model's name. <see cref="ModelHub.UpgradeAsync"/> sets it.</summary>
    internal string? Folder { get; init; }
}
