using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OnnxVlm.Hub.Http;

namespace OnnxVlm.Hub.Protocol;

/// <summary>
/// The part of the hub's interface that is needed: a model's description and files, small files whole, and the addresses of large ones. Thread-safe.
/// </summary>
/// <param name="client">Sends the requests.</param>
/// <param name="options">The hub.</param>
internal sealed class HubApi(HubClient client, ModelHubOptions options)
{
    private const int MaxHops = 10;
    private const int MaxPages = 100;
    private const int MaxAnswerBytes = 64 << 20;

    /// <summary>Describes a model at a revision, and pins its commit.</summary>
    /// <exception cref="ModelHubException">There is no such model or revision, or the answer is not the hub's.</exception>
    public async Task<Repository> DescribeAsync(string id, string? revision, CancellationToken cancellationToken)
    {
        Uri address = new(options.Endpoint, $"api/models/{id}{(revision is null ? "" : "/revision/" + Uri.EscapeDataString(revision))}?blobs=true");
        byte[] json = await GetAsync(address, MaxAnswerBytes, new FileRequest(id, revision, null), cancellationToken).ConfigureAwait(false);
        Repository repository = ModelInfo.Parse(id, json);
        if (repository.Files.All(file => file.SizeBytes is not null))
            return repository;
        IReadOnlyList<RepositoryFile> tree = await ListAsync(id, repository.Commit, cancellationToken).ConfigureAwait(false);
        return repository with { Files = tree };
    }

    /// <summary>Reads a small file whole, and compares it with its hash.</summary>
    /// <exception cref="ModelHubException">The file cannot be read, or its length or hash differs.</exception>
    public async Task<byte[]> ReadAsync(Repository repository, RepositoryFile file, int maxBytes, CancellationToken cancellationToken)
    {
        if (file.SizeBytes > maxBytes)
            throw new ModelHubException(ModelHubError.Damaged,
                $"{repository.Id}: {file.Path}: expected at most {maxBytes} bytes, the hub lists {file.SizeBytes}; do not use this repository");
        byte[] content = await GetAsync(
            AddressOf(repository, file.Path), maxBytes, new FileRequest(repository.Id, repository.Commit, file.Path), cancellationToken).ConfigureAwait(false);
        if (LfsPointer.Is(content))
            throw LfsPointer.Error(repository.Id, file.Path);
        if (file.SizeBytes is long size && size != content.Length)
            throw Damaged(repository, file, $"expected {size} bytes, found {content.Length}");
        (string? expected, string found) = file.Sha256 is not null
            ? (file.Sha256, Convert.ToHexString(SHA256.HashData(content)).ToLowerInvariant())
            : (file.BlobId, GitHash(content));
        return expected is null || expected.Equals(found, StringComparison.OrdinalIgnoreCase)
            ? content
            : throw Damaged(repository, file, $"expected the hash {expected}, found {found}");
    }

    /// <summary>Finds the address of a large file, and what the hub says about it.</summary>
    /// <exception cref="ModelHubException">The file cannot be found, or differs from the one that was listed.</exception>
    public async Task<FileLocation> LocateAsync(Repository repository, RepositoryFile file, CancellationToken cancellationToken)
    {
        Uri address = AddressOf(repository, file.Path);
        string? etag = null, commit = null;
        long? size = null;
        HttpMethod method = HttpMethod.Head;
        for (int hop = 0; hop < MaxHops; hop++)
        {
            using HttpResponseMessage response = await client.SendAsync(method, address, range: null, cancellationToken).ConfigureAwait(false);
            if (response.StatusCode == HttpStatusCode.MethodNotAllowed && method == HttpMethod.Head)
            {
                // Some mirrors do not support HEAD; the body is not read.
                method = HttpMethod.Get;
                continue;
            }

            bool redirects = HubClient.IsRedirect(response);
            if (!redirects && !response.IsSuccessStatusCode)
                throw await HubErrors.ReadAsync(
                    response, new FileRequest(repository.Id, repository.Commit, file.Path), options, cancellationToken).ConfigureAwait(false);
            commit ??= HubErrors.Header(response, "X-Repo-Commit");
            string? linked = HubErrors.Header(response, "X-Linked-ETag");
            etag ??= (linked ?? (redirects ? null : response.Headers.ETag?.Tag))?.Replace("W/", "", StringComparison.Ordinal).Trim('"');
            size ??= long.TryParse(HubErrors.Header(response, "X-Linked-Size"), out long given) ? given
                : redirects ? null
                : response.Content.Headers.ContentLength;
            if (!redirects)
                return Check(repository, file, new FileLocation(address, size, etag), commit);
            Uri target = HubClient.Target(address, response);
            bool leaves = !client.IsHub(target);
            address = target;

            // A signed address may allow GET only. The redirect already has all the information.
            if (leaves || linked is not null)
                return Check(repository, file, new FileLocation(address, size, etag), commit);
        }

        throw new ModelHubException(ModelHubError.Other, $"{repository.Id}: {file.Path}: the hub redirects in circles; try again later");
    }

    private Uri AddressOf(Repository repository, string path) =>
        new(options.Endpoint, $"{repository.Id}/resolve/{repository.Commit}/{string.Join('/', path.Split('/').Select(Uri.EscapeDataString))}");

    private async Task<IReadOnlyList<RepositoryFile>> ListAsync(string id, string commit, CancellationToken cancellationToken)
    {
        List<RepositoryFile> files = [];
        Uri? address = new(options.Endpoint, $"api/models/{id}/tree/{commit}?recursive=true");
        for (int page = 0; address is not null; page++)
        {
            if (page == MaxPages)
                throw new ModelHubException(ModelHubError.Other, $"{id}: the list of files has more than {MaxPages} pages; use another repository");
            using HttpResponseMessage response = await SendFollowingAsync(address, new FileRequest(id, commit, null), cancellationToken).ConfigureAwait(false);
            files.AddRange(ModelInfo.ParseTree(id, await ReadBodyAsync(response, address, MaxAnswerBytes, cancellationToken).ConfigureAwait(false)));
            address = NextPage(response);
        }

        return files;
    }

    /// <summary>The address of <c>Link: …; rel="next"</c>, moved to the hub itself where a mirror passes the original's address on.</summary>
    private Uri? NextPage(HttpResponseMessage response)
    {
        foreach (string link in response.Headers.TryGetValues("Link", out IEnumerable<string>? values) ? values.SelectMany(value => value.Split(',')) : [])
        {
            int open = link.IndexOf('<', StringComparison.Ordinal), close = link.IndexOf('>', StringComparison.Ordinal);
            if (open >= 0 && close > open && link.Contains("rel=\"next\"", StringComparison.Ordinal))
                return new Uri(options.Endpoint, new Uri(options.Endpoint, link[(open + 1)..close]).PathAndQuery);
        }

        return null;
    }

    private async Task<byte[]> GetAsync(Uri address, int maxBytes, FileRequest request, CancellationToken cancellationToken)
    {
        for (int attempt = 0; ; attempt++)
        {
            using HttpResponseMessage response = await SendFollowingAsync(address, request, cancellationToken).ConfigureAwait(false);
            try
            {
                return await ReadBodyAsync(response, address, maxBytes, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is IOException or HttpRequestException or TimeoutException)
            {
                if (attempt == 5)
                    throw HubClient.Unreachable(address, exception);
                await client.WaitAsync(HubClient.Describe(exception), RateLimit.Backoff(attempt), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Follows redirects, also to other hosts, which do not receive the token.</summary>
    private async Task<HttpResponseMessage> SendFollowingAsync(Uri address, FileRequest request, CancellationToken cancellationToken)
    {
        for (int hop = 0; hop < MaxHops; hop++)
        {
            HttpResponseMessage response = await client.SendAsync(HttpMethod.Get, address, range: null, cancellationToken).ConfigureAwait(false);
            if (response.IsSuccessStatusCode)
                return response;
            using (response)
            {
                if (!HubClient.IsRedirect(response))
                    throw await HubErrors.ReadAsync(response, request, options, cancellationToken).ConfigureAwait(false);
                address = HubClient.Target(address, response);
            }
        }

        throw new ModelHubException(ModelHubError.Other, $"{request.Id}: the hub redirects in circles; try again later");
    }

    private async Task<byte[]> ReadBodyAsync(HttpResponseMessage response, Uri address, int maxBytes, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentEncoding.Any(encoding => encoding != "identity"))
            throw new ModelHubException(ModelHubError.Damaged, $"{address.Host}: sends compressed what was not asked for so; check your proxy");
        if (response.Content.Headers.ContentLength > maxBytes)
            throw new ModelHubException(ModelHubError.Damaged,
                $"{address.Host}: expected at most {maxBytes} bytes, found {response.Content.Headers.ContentLength}; do not use this repository");
        using MemoryStream content = new();
        using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        byte[] block = new byte[1 << 16];
        while (await StallingRead.ReadAsync(body, block, options.DownloadTimeout, cancellationToken).ConfigureAwait(false) is > 0 and int read)
        {
            if (content.Length + read > maxBytes)
                throw new ModelHubException(
                    ModelHubError.Damaged, $"{address.Host}: expected at most {maxBytes} bytes, found more; do not use this repository");
            content.Write(block, 0, read);
        }

        return content.ToArray();
    }

    private static FileLocation Check(Repository repository, RepositoryFile file, FileLocation location, string? commit)
    {
        if (commit is not null && !commit.Equals(repository.Commit, StringComparison.OrdinalIgnoreCase))
            throw Damaged(repository, file, $"is of commit {commit}, and {repository.Commit} was asked for");
        if (file.SizeBytes is long size && location.SizeBytes is long found && found != size)
            throw Damaged(repository, file, $"has {found} bytes, and {size} were listed");
        if (file.Sha256 is not null && location.ETag is { Length: 64 } etag && !etag.Equals(file.Sha256, StringComparison.OrdinalIgnoreCase))
            throw Damaged(repository, file, $"has the SHA-256 {etag}, and {file.Sha256} was listed");
        return location;
    }

    private static ModelHubException Damaged(Repository repository, RepositoryFile file, string what) =>
        new(ModelHubError.Damaged, $"{repository.Id}: {file.Path}: {what}; pull again");

    /// <summary>Git's hash of a file's content.</summary>
    private static string GitHash(byte[] content)
    {
#pragma warning disable CA5350 // Git's own hash: it finds damage, it does not keep out attackers.
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
#pragma warning restore CA5350
        hash.AppendData(Encoding.ASCII.GetBytes($"blob {content.Length}\0"));
        hash.AppendData(content);
        return Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant();
    }
}
