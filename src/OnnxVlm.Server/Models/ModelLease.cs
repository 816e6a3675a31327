using Microsoft.Extensions.AI;

namespace OnnxVlm.Server.Models;

/// <summary>The use of a loaded model: it stays loaded until the lease is disposed.</summary>
internal sealed class ModelLease : IDisposable
{
    private Action? _end;

    /// <summary>Starts the use.</summary>
    /// <param name="entry">The model.</param>
    /// <param name="client">Its chat client.</param>
    /// <param name="end">Ends the use; called once.</param>
    public ModelLease(ModelEntry entry, IChatClient client, Action end)
    {
        Entry = entry;
        Client = client;
        _end = end;
    }

    public ModelEntry Entry { get; }

    public IChatClient Client { get; }

    public void Dispose() => Interlocked.Exchange(ref _end, null)?.Invoke();
}
