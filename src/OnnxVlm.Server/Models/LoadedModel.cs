using Microsoft.Extensions.AI;

namespace OnnxVlm.Server.Models;

/// <summary>A model in memory.</summary>
/// <param name="client">Generates answers. Its <c>GetService</c> returns the <see cref="VlmModel"/>.</param>
/// <param name="owner">Frees the model.</param>
internal sealed class LoadedModel(IChatClient client, IDisposable owner) : IDisposable
{
    public IChatClient Client { get; } = client;

    public void Dispose()
    {
        Client.Dispose();
        owner.Dispose();
    }
}
