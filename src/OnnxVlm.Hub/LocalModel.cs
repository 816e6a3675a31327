using OnnxVlm.ModelFolder;

namespace OnnxVlm.Hub;

/// <summary>A model in <see cref="ModelHubOptions.ModelsFolder"/>.</summary>
/// <param name="Reference">Its name, with variant, and with revision where one was asked for.</param>
/// <param name="Folder">The model folder; for a partial model, its future folder.</param>
/// <param name="State">Whether it can be run.</param>
/// <param name="SizeBytes">Its size on the disk.</param>
/// <param name="Changed">When it was written.</param>
public sealed record LocalModel(ModelReference Reference, string Folder, LocalModelState State, long SizeBytes, DateTimeOffset Changed)
{
    /// <summary>The origin of the weights; null for a model that is not ready.</summary>
    public ModelSource? Source { get; init; }
}
