using OnnxVlm.Server.Models;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>GET /v1/models and /v1/models/{name}.</summary>
/// <param name="models">The models.</param>
internal sealed class ModelsEndpoint(ModelPool models)
{
    public ModelList List() => new([.. models.Entries.Select(CardOf)]);

    /// <summary>One model.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="ApiException">404: there is none of this name.</exception>
    public ModelCard Get(string name) => CardOf(models.Find(name));

    private ModelCard CardOf(ModelEntry entry) => new(entry.Name, entry.Created, models.IsLoaded(entry), entry.ContextLength, entry.Sampling);
}
