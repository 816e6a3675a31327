using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using OnnxVlm.Export.Streaming;
using OnnxVlm.Hub.Http;
using OnnxVlm.Hub.Protocol;

namespace OnnxVlm.Hub.Pulling;

/// <summary>
/// Reads large files of a repository in ranges. A signed address is requested once and used until it expires, then requested again. An interrupted
/// read continues after the last byte. Thread-safe.
/// </summary>
/// <param name="client">Sends the requests.</param>
/// <param name="api">Finds the addresses of files.</param>
/// <param name="options">The longest silence of a download.</param>
/// <param name="repository">The repository, at a commit.</param>
internal sealed class HubCheckpointSource(HubClient client, HubApi api, ModelHubOptions options, Repository repository) : ICheckpointSource
{
    private const int Retries = 5;
    private const int MaxHops = 10;

    private readonly ConcurrentDictionary<string, Lazy<Task<FileLocation>>> _locations = new(StringComparer.Ordinal);

    public string Name => repository.Id;

    public string Revision => repository.Commit;

    public IReadOnlyList<CheckpointFile> Files { get; private set; } = [];

    /// <summary>Adds files. Lengths and hashes that were not listed are requested.</summary>
    /// <exception cref="ModelHubException">A file cannot be found, its length is unknown, or it is a pointer.</exception>
    public async Task AddAsync(IEnumerable<RepositoryFile> files, CancellationToken cancellationToken)
    {
        List<CheckpointFile> added = [.. Files];
        foreach (RepositoryFile file in files)
        {
            long? size = file.SizeBytes;
            string? sha256 = file.Sha256;
            if (size is null || sha256 is null)
            {
                FileLocation location = await LocateAsync(file.Path, renew: null, cancellationToken).ConfigureAwait(false);
                size ??= location.SizeBytes;
                sha256 ??= location.ETag is { Length: 64 } etag && etag.All(char.IsAsciiHexDigit) ? etag.ToLowerInvariant() : null;
            }

            CheckpointFile described = new(file.Path, size ?? throw new ModelHubException(ModelHubError.Other,
                $"{repository.Id}: {file.Path}: the length of the file is unknown; check HF_ENDPOINT and your proxy"), sha256);
            await RefusePointerAsync(described, cancellationToken).ConfigureAwait(false);
            added.Add(described);
        }

        Files = added;
    }

    /// <inheritdoc/>
    public async Task ReadAsync(CheckpointFile file, long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        FileLocation location = await LocateAsync(file.Name, renew: null, cancellationToken).ConfigureAwait(false);
        int attempt = 0, hops = 0;
        bool isRenewed = false;
        for (int done = 0; done < destination.Length;)
        {
            long first = offset + done;
            using HttpResponseMessage response = await client.SendAsync(
                HttpMethod.Get, location.Address, (first, offset + destination.Length - 1), cancellationToken).ConfigureAwait(false);
            if (HubClient.IsRedirect(response) && hops++ < MaxHops)
            {
                location = location with { Address = HubClient.Target(location.Address, response) };
                continue;
            }

            if (!response.IsSuccessStatusCode)
            {
                // Signed addresses expire. If a new one is refused, too, the reason is another.
                if (isRenewed)
                    throw await RefusedAsync(file, response, cancellationToken).ConfigureAwait(false);
                isRenewed = true;
                location = await LocateAsync(file.Name, location, cancellationToken).ConfigureAwait(false);
                continue;
            }

            string? problem = Problem(file, response, first, destination.Length - done);
            if (problem is null)
            {
                (int read, Exception? broken) = await FillAsync(response, destination[done..], cancellationToken).ConfigureAwait(false);
                done += read;
                if (done == destination.Length)
                    return;
                if (read > 0)
                    (attempt, isRenewed) = (0, false);
                problem = broken is null ? "the connection ended early" : HubClient.Describe(broken);
            }

            if (attempt == Retries)
                throw new ModelHubException(
                    ModelHubError.Unreachable, $"{repository.Id}: {file.Name}: {location.Address.Host}: {problem}, " +
                    $"also after {Retries} tries; check the network and your proxy, then run the same command again: it continues");
            await client.WaitAsync(problem, RateLimit.Backoff(attempt++), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The address of a file. It is requested once, and again by callers who found that <paramref name="renew"/> has expired.</summary>
    private async Task<FileLocation> LocateAsync(string path, FileLocation? renew, CancellationToken cancellationToken)
    {
        if (renew is not null && _locations.TryGetValue(path, out Lazy<Task<FileLocation>>? old)
            && old.IsValueCreated && old.Value.IsCompletedSuccessfully && ReferenceEquals(await old.Value.ConfigureAwait(false), renew))
            _locations.TryRemove(KeyValuePair.Create(path, old));
        RepositoryFile file = repository.Find(path) ?? throw new ModelHubException(
            ModelHubError.NotFound, $"{repository.Id} has no file {path}; only checkpoints with safetensors weights and model folders can be pulled");
        Lazy<Task<FileLocation>> location = _locations.GetOrAdd(
            path, _ => new Lazy<Task<FileLocation>>(() => api.LocateAsync(repository, file, cancellationToken)));
        try
        {
            return await location.Value.ConfigureAwait(false);
        }
        catch
        {
            _locations.TryRemove(KeyValuePair.Create(path, location));
            throw;
        }
    }

    /// <summary>What is wrong with an answer before its body is read; null for nothing.</summary>
    private static string? Problem(CheckpointFile file, HttpResponseMessage response, long first, int length)
    {
        if (response.Content.Headers.ContentEncoding.Any(encoding => encoding != "identity"))
            return "the answer is compressed, which was not asked for";
        if (response.StatusCode != HttpStatusCode.PartialContent)
            return first == 0 && length == file.SizeBytes && response.Content.Headers.ContentLength == file.SizeBytes
                ? null
                : $"the answer ignores the range ({(int)response.StatusCode})";

        // Some mirrors leave this header out.
        if (response.Content.Headers.ContentRange is ContentRangeHeaderValue range
            && (range.From != first || range.To != first + length - 1 || (range.HasLength && range.Length != file.SizeBytes)))
            return $"the answer is another range ({range})";
        return response.Content.Headers.ContentLength is long found && found != length ? $"the answer has {found} bytes in place of {length}" : null;
    }

    private async Task<(int Read, Exception? Broken)> FillAsync(HttpResponseMessage response, Memory<byte> destination, CancellationToken cancellationToken)
    {
        int done = 0;
        try
        {
            using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            while (done < destination.Length)
            {
                int read = await StallingRead.ReadAsync(body, destination[done..], options.DownloadTimeout, cancellationToken).ConfigureAwait(false);
                if (read == 0)
                    return (done, null);
                done += read;
            }

            return (done, null);
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException or TimeoutException)
        {
            return (done, exception);
        }
    }

    private async Task<ModelHubException> RefusedAsync(CheckpointFile file, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
            return new ModelHubException(
                ModelHubError.Damaged, $"{repository.Id}: {file.Name}: is shorter than the {file.SizeBytes} bytes that were listed; pull again");
        string said = await HubErrors.ReadBodyAsync(response, options.DownloadTimeout, cancellationToken).ConfigureAwait(false);
        return new ModelHubException(
            ModelHubError.Unreachable,
            $"{repository.Id}: {file.Name}: {response.RequestMessage!.RequestUri!.Host} answers {(int)response.StatusCode} {response.ReasonPhrase}, " +
            $"to a new address too{(said.Length == 0 ? "" : $" ({said})")}; run the same command again: it continues");
    }

    private async Task RefusePointerAsync(CheckpointFile file, CancellationToken cancellationToken)
    {
        if (file.SizeBytes is 0 or > LfsPointer.MaxBytes)
            return;
        byte[] content = new byte[file.SizeBytes];
        await ReadAsync(file, 0, content, cancellationToken).ConfigureAwait(false);
        if (LfsPointer.Is(content))
            throw LfsPointer.Error(repository.Id, file.Name);
    }
}
