using System.Security.Cryptography;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Security;

namespace OnnxVlm.Server.Uploads;

/// <summary>
/// Images that were sent ahead, in memory, so that a conversation with many of them names them in place of sending them again. Each API key has its
/// own: a name means nothing to another one. All together take no more than <see cref="ServerOptions.MaxUploadBytes"/>, one key no more than half of
/// it; what was not used for <see cref="ServerOptions.UploadLifetime"/> is forgotten, and before that the least recently used of the key that holds
/// most, when there is no room. Safe to use from several threads.
/// </summary>
/// <param name="options">The limits.</param>
/// <param name="time">Tells the time.</param>
internal sealed class UploadStore(ServerOptions options, TimeProvider time)
{
    /// <summary>What the address of an image begins with; the SHA-256 of its bytes in lower-case hexadecimal digits follows.</summary>
    public const string Scheme = "upload:";

    // So that many small ones do not take more than their bytes.
    private const int LeastBytes = 64 << 10;

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Key, string Url), LinkedListNode<Upload>> _uploads = [];

    // The least recently used first.
    private readonly LinkedList<Upload> _order = new();

    /// <summary>What is kept, in bytes.</summary>
    public long SizeBytes
    {
        get
        {
            lock (_lock)
                return _order.Sum(upload => upload.SizeBytes);
        }
    }

    /// <summary>Keeps an image.</summary>
    /// <param name="client">Who sent it.</param>
    /// <param name="bytes">The file.</param>
    /// <returns>Its address.</returns>
    public string Add(string client, byte[] bytes)
    {
        Upload upload = new(ClientKey.KeyOf(client), Scheme + Convert.ToHexStringLower(SHA256.HashData(bytes)), bytes, time.GetUtcNow());
        lock (_lock)
        {
            Forget(_uploads.GetValueOrDefault((upload.Key, upload.Url)));
            _uploads[(upload.Key, upload.Url)] = _order.AddLast(upload);
            ForgetOld();
            while (_order.Where(other => other.Key == upload.Key).Sum(other => other.SizeBytes) > options.MaxUploadBytes / 2
                && _order.First(other => other.Key == upload.Key) is var own && own != upload)
                Forget(_order.Find(own));
            while (_order.Sum(other => other.SizeBytes) > options.MaxUploadBytes)
            {
                string largest = _order.GroupBy(other => other.Key).MaxBy(group => group.Sum(other => other.SizeBytes))!.Key;
                Forget(_order.Find(_order.First(other => other.Key == largest)));
            }
        }
        return upload.Url;
    }

    /// <summary>Finds an image, which counts as its use.</summary>
    /// <param name="param">The part of the request.</param>
    /// <param name="client">Who asks.</param>
    /// <param name="url">Its address.</param>
    /// <exception cref="ApiException">404: it is not there, or is another key's.</exception>
    public byte[] Find(string param, string client, string url)
    {
        lock (_lock)
        {
            ForgetOld();
            if (_uploads.TryGetValue((ClientKey.KeyOf(client), url), out LinkedListNode<Upload>? node))
            {
                _order.Remove(node);
                node.Value = node.Value with { LastUse = time.GetUtcNow() };
                _order.AddLast(node);
                return node.Value.Bytes;
            }
        }
        throw new ApiException(StatusCodes.Status404NotFound, $"{param}: this image is not here any more; upload it again.", param, "upload_not_found");
    }

    private void ForgetOld()
    {
        while (_order.First is { } oldest && oldest.Value.LastUse + options.UploadLifetime <= time.GetUtcNow())
            Forget(oldest);
    }

    private void Forget(LinkedListNode<Upload>? node)
    {
        if (node is null)
            return;
        _order.Remove(node);
        _uploads.Remove((node.Value.Key, node.Value.Url));
    }

    private sealed record Upload(string Key, string Url, byte[] Bytes, DateTimeOffset LastUse)
    {
        public long SizeBytes => Math.Max(Bytes.Length, LeastBytes);
    }
}
