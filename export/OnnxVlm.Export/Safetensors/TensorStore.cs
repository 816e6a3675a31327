namespace OnnxVlm.Export.Safetensors;

/// <summary>The source of an architecture's tensors: a checkpoint, or random numbers.</summary>
internal abstract class TensorStore : IDisposable
{
    /// <summary>Paths of the weight files, in order.</summary>
    public abstract IEnumerable<string> Paths { get; }

    /// <summary>Numbers in all tensors.</summary>
    public abstract long Parameters { get; }

    /// <summary>A tensor, which must exist and have this shape.</summary>
    /// <exception cref="ModelLoadException">The tensor is missing, or its shape or element type differs.</exception>
    public abstract CheckpointTensor Take(string name, params ReadOnlySpan<long> shape);

    /// <summary>The prefix of a tensor's own name; conversions of the same model differ in it.</summary>
    /// <param name="name">The end of the tensor's name, in whole parts: <c>embed_tokens.weight</c> is not an end of
    /// <c>vision_embed_tokens.weight</c>.</param>
    /// <returns>The prefix, empty or ending in a dot.</returns>
    /// <exception cref="ModelLoadException">No tensor has this end, or several have it.</exception>
    public abstract string PrefixOf(string name);

    /// <summary>Whether there is a tensor whose name has this end, in whole parts.</summary>
    public abstract bool Has(string nameEnd);

    /// <summary>Marks tensors as used that only repeat values of config.json.</summary>
    public abstract void Ignore(string nameEnd);

    /// <summary>
    /// Marks the tensors of a part of the model as used that is left out on purpose. <see cref="PrefixOf"/> and <see cref="Has"/> ignore them from then on.
    /// </summary>
    /// <param name="namePart">A part that all their names contain.</param>
    public abstract void LeaveOut(string namePart);

    /// <summary>Throws when the checkpoint has tensors that the architecture did not use.</summary>
    /// <exception cref="ModelLoadException">There are such tensors; the message names the first few.</exception>
    public abstract void RefuseUnused(string architecture);

    /// <inheritdoc/>
    public abstract void Dispose();
}
