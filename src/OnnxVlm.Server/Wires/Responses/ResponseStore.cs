using Microsoft.Extensions.AI;
using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Wires.Responses;

/// <summary>
/// Responses that a later request may name, in memory. Each API key has its own, up to a number, for a time; all of them together stay within a
/// number of bytes, and the key with the most of them loses its oldest first. Safe to use from several threads.
/// </summary>
/// <param name="options">How many, how long, how much.</param>
/// <param name="time">The clock.</param>
internal sealed class ResponseStore(ServerOptions options, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Shelf> _shelves = [];
    private long _bytes;

    /// <summary>Bytes of all responses.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock)
                return _bytes;
        }
    }

    /// <summary>Keeps a response.</summary>
    /// <param name="scope">Whose it is.</param>
    /// <param name="response">The response.</param>
    public void Add(string scope, StoredResponse response)
    {
        lock (_lock)
        {
            DropOld();
            if (response.SizeBytes > options.MaxStoredBytes)
                return;
            if (!_shelves.TryGetValue(scope, out Shelf? shelf))
                _shelves[scope] = shelf = new Shelf();
            shelf.Add(response, time.GetUtcNow());
            _bytes += response.SizeBytes;
            while (shelf.Count > options.MaxStoredResponses)
                DropOldest(scope, shelf);
            while (_bytes > options.MaxStoredBytes)
            {
                (string heaviest, Shelf most) = _shelves.MaxBy(entry => entry.Value.Bytes);
                DropOldest(heaviest, most);
            }
        }
    }

    /// <summary>Finds a response.</summary>
    /// <param name="scope">Who asks.</param>
    /// <param name="id">Its id.</param>
    /// <returns>The response; null where this key has none of this id, or no more.</returns>
    public StoredResponse? Find(string scope, string id)
    {
        lock (_lock)
        {
            DropOld();
            return _shelves.GetValueOrDefault(scope)?.Find(id);
        }
    }

    /// <summary>Finds an item of a response.</summary>
    /// <param name="scope">Who asks.</param>
    /// <param name="id">Its id.</param>
    /// <returns>What it says; null where this key has none of this id, or no more.</returns>
    public IReadOnlyList<AIContent>? FindItem(string scope, string id)
    {
        lock (_lock)
        {
            DropOld();
            return _shelves.GetValueOrDefault(scope)?.FindItem(id);
        }
    }

    /// <summary>Forgets a response.</summary>
    /// <param name="scope">Who asks.</param>
    /// <param name="id">Its id.</param>
    /// <returns>Whether there was one.</returns>
    public bool Remove(string scope, string id)
    {
        lock (_lock)
        {
            DropOld();
            if (_shelves.GetValueOrDefault(scope) is not { } shelf || shelf.Find(id) is not { } response)
                return false;
            Drop(scope, shelf, response);
            return true;
        }
    }

    private void DropOld()
    {
        DateTimeOffset oldest = time.GetUtcNow() - options.StoredResponseLifetime;
        foreach ((string scope, Shelf shelf) in _shelves.ToArray())
        {
            while (shelf.Oldest is { } first && first.Since < oldest)
                Drop(scope, shelf, first.Response);
        }
    }

    private void DropOldest(string scope, Shelf shelf) => Drop(scope, shelf, shelf.Oldest!.Value.Response);

    private void Drop(string scope, Shelf shelf, StoredResponse response)
    {
        shelf.Remove(response);
        _bytes -= response.SizeBytes;
        if (shelf.Count == 0)
            _shelves.Remove(scope);
    }

    /// <summary>The responses of one key.</summary>
    private sealed class Shelf
    {
        private readonly LinkedList<(StoredResponse Response, DateTimeOffset Since)> _order = new();
        private readonly Dictionary<string, LinkedListNode<(StoredResponse Response, DateTimeOffset Since)>> _responses = [];
        private readonly Dictionary<string, IReadOnlyList<AIContent>> _items = [];

        public int Count => _responses.Count;

        public long Bytes { get; private set; }

        public (StoredResponse Response, DateTimeOffset Since)? Oldest => _order.First?.Value;

        public StoredResponse? Find(string id) => _responses.GetValueOrDefault(id)?.Value.Response;

        public IReadOnlyList<AIContent>? FindItem(string id) => _items.GetValueOrDefault(id);

        public void Add(StoredResponse response, DateTimeOffset now)
        {
            _responses[response.Id] = _order.AddLast((response, now));
            foreach ((string id, IReadOnlyList<AIContent> contents) in response.Items)
                _items[id] = contents;
            Bytes += response.SizeBytes;
        }

        public void Remove(StoredResponse response)
        {
            _responses.Remove(response.Id, out LinkedListNode<(StoredResponse Response, DateTimeOffset Since)>? node);
            _order.Remove(node!);
            foreach (string id in response.Items.Keys)
                _items.Remove(id);
            Bytes -= response.SizeBytes;
        }
    }
}
