using Microsoft.Extensions.AI;
using OnnxVlm.Server.Models;

namespace OnnxVlm.Server.Endpoints;

/// <summary>A turn of the queue, and the use of a loaded model during it.</summary>
/// <param name="turn">The turn.</param>
/// <param name="lease">The use.</param>
/// <param name="scope">Answers of the same scope share what the model has read.</param>
/// <param name="timeout">The longest time that it lasts.</param>
internal sealed class ModelTurn(IDisposable turn, ModelLease lease, string scope, TimeSpan timeout) : IDisposable
{
    private readonly CancellationTokenSource _late = new(timeout);

    /// <summary>Answers of the same scope share what the model has read: a scope is one API key.</summary>
    public string Scope => scope;

    public IChatClient Client => lease.Client;

    /// <summary>Cancelled when the time of the turn is up.</summary>
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
