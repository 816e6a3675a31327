using OnnxVlm.ModelFolder;

namespace OnnxVlm.Hub;

/// <summary>A model in <see cref="ModelHubOptions.ModelsFolder"/>.</summary>
/// <param name="Reference">Its name, with revision, where one was asked for, and variant.</param>
/// <param name="Folder">The model folder; for a partial one, the folder that it will be.</param>
/// <param name="State">Whether it can be run.</param>
/// <param name="SizeBytes">What it takes on the disk.</param>
/// <param name="Changed">When it was written.</param>
public sealed record LocalModel(ModelReference Reference, string Folder, LocalModelState State, long SizeBytes, DateTimeOffset Changed)
{
    /// <summary>Where the weights came from; null for one that is not ready.</summary>
    public ModelSource? Source { get; init; }
}
