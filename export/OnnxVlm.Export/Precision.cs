using System.Diagnostics.CodeAnalysis;

namespace OnnxVlm.Export;

/// <summary>How the weights of an exported model are stored.</summary>
[SuppressMessage("Naming", "CA1720", Justification = "These are the names of the storage formats, and of the command line.")]
public enum Precision
{
    /// <summary>32-bit floats: exact, for any device.</summary>
    Fp32,

    /// <summary>16-bit floats, computed in 16 bits: for GPUs. It also runs on a CPU, where the smaller file is the only gain.</summary>
    Fp16,

    /// <summary>8-bit integers in blocks along the input axis, symmetric; the matrices only, norms and the patch projection stay 32-bit floats.</summary>
    Int8,

    /// <summary>4-bit integers in blocks along the input axis, symmetric, with a searched scale; the embedding and the head have 8 bits.</summary>
    Int4,
}
