using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Models;

/// <summary>Loads models; tests put scripted ones here.</summary>
internal interface IModelLoader
{
    /// <summary>Loads a model, which may take long.</summary>
    /// <param name="options">The model, and how it is loaded.</param>
    /// <returns>The model; the caller disposes it.</returns>
    LoadedModel Load(ModelOptions options);
}
