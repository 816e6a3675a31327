using Microsoft.Extensions.AI;
using OnnxVlm.Server.Models;

namespace OnnxVlm.Server.Endpoints;

/// <summary>A turn of the queue, and the use of a loaded model during it.</summary>
/// <param name="turn">The turn.</param>
/// <param name="lease">The use.</param>
/// <param name="scope">Whose answers share what the model has read.</param>
/// <param name="timeout">The longest it lasts.</param>
internal sealed class ModelTurn(IDisposable turn, ModelLease lease, string scope, TimeSpan timeout) : IDisposable
{
    private readonly CancellationTokenSource _late = new(timeout);

    /// <summary>Whose answers share what the model has read: those of one API key.</summary>
    public string Scope => scope;

    public IChatClient Client => lease.Client;

    /// <summary>The time of the turn is over.</summary>
    public CancellationToken Late => _late.Token;

    /// <summary>The model behind the chat client.</summary>
    public VlmModel Model => Client.GetRequiredService<VlmModel>();

    public void Dispose()
    {
        lease.Dispose();
        turn.Dispose();
        _late.Dispose();
    }
}
