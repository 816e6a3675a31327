using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Extensions;
using Microsoft.Extensions.Logging;

namespace OnnxVlm.Hub.Tests.Support;

/// <summary>
/// The hub's protocol on loopback, as its documentation and its own client describe it: descriptions, trees in pages, small files behind a relative redirect, large ones behind a signed address on
/// another host (another port here), which expires; ranges; errors with their codes. What goes wrong is set by tests. Every request is kept, with its headers.
/// </summary>
internal sealed class FakeHub : IAsyncDisposable
{
    private readonly WebApplication _hub;
    private readonly WebApplication _storage;
    private readonly Dictionary<string, FakeRepository> _repositories = new(StringComparer.OrdinalIgnoreCase);
    private int _signatures;

    private FakeHub()
    {
        _hub = Create(AnswerHubAsync);
        _storage = Create(AnswerStorageAsync);
    }

    /// <summary>A request that came.</summary>
    public sealed record Request(bool IsStorage, string Method, string Path, string? Range, string? Authorization, string? AcceptEncoding, string? UserAgent);

    public Uri Endpoint => new(_hub.Urls.First());

    public Uri Storage => new(_storage.Urls.First());

    public ConcurrentQueue<Request> Requests { get; } = [];

    /// <summary>Answers in place of the hub or its storage where it returns true.</summary>
    public Func<HttpContext, Request, Task<bool>>? Instead { get; set; }

    /// <summary>Signed addresses that are refused from now on, by their number; those made later work.</summary>
    public int ExpiredSignatures { get; set; }

    /// <summary>Bytes after which an answer of the storage breaks off; each answer anew.</summary>
    public int? CutsAfterBytes { get; set; }

    /// <summary>Changes bytes on their way: path, place of the first, bytes.</summary>
    public Action<string, long, byte[]>? Damage { get; set; }

    /// <summary>Bytes of the storage that were sent.</summary>
    public long BytesSent => Interlocked.Read(ref _bytesSent);

    private long _bytesSent;

    public static async Task<FakeHub> StartAsync(params FakeRepository[] repositories)
    {
        FakeHub hub = new();
        foreach (FakeRepository repository in repositories)
            hub._repositories.Add(repository.Id, repository);
        await hub._hub.StartAsync();
        await hub._storage.StartAsync();
        return hub;
    }

    public async ValueTask DisposeAsync()
    {
        await _hub.DisposeAsync();
        await _storage.DisposeAsync();
    }

    /// <summary>Answers a refusal as the hub does.</summary>
    public static async Task RefuseAsync(HttpContext context, int status, string? code, string message, params (string Name, string Value)[] headers)
    {
        context.Response.StatusCode = status;
        if (code is not null)
            context.Response.Headers["X-Error-Code"] = code;
        foreach ((string name, string value) in headers)
            context.Response.Headers[name] = value;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(new JsonObject { ["error"] = message }.ToJsonString());
    }

    private static WebApplication Create(RequestDelegate answer)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        WebApplication app = builder.Build();
        app.Run(answer);
        return app;
    }

    private Request Keep(HttpContext context, bool isStorage)
    {
        string? Header(string name) => context.Request.Headers.TryGetValue(name, out Microsoft.Extensions.Primitives.StringValues values) ? values.ToString() : null;
        Request request = new(isStorage, context.Request.Method, context.Request.GetEncodedPathAndQuery(), Header("Range"), Header("Authorization"), Header("Accept-Encoding"), Header("User-Agent"));
        Requests.Enqueue(request);
        return request;
    }

    private async Task AnswerHubAsync(HttpContext context)
    {
        Request request = Keep(context, isStorage: false);
        if (Instead is not null && await Instead(context, request))
            return;
        string[] parts = [.. request.Path.Split('?')[0].Split('/', StringSplitOptions.RemoveEmptyEntries).Select(Uri.UnescapeDataString)];
        (string Kind, int Skip) route = parts switch
        {
            ["api", "models", ..] => ("api", 2),
            ["api", "resolve-cache", "models", ..] => ("cache", 3),
            _ => ("resolve", 0),
        };
        string id = parts.Length >= route.Skip + 2 ? $"{parts[route.Skip]}/{parts[route.Skip + 1]}" : "";
        string? token = request.Authorization?.Replace("Bearer ", "", StringComparison.Ordinal);
        if (token is not null && token.StartsWith("bad", StringComparison.Ordinal))
            await RefuseAsync(context, 401, null, "Invalid credentials in Authorization header");
        else if (!_repositories.TryGetValue(id, out FakeRepository? repository) || (repository.Readers.Count > 0 && !repository.Readers.Contains(token!)))
            await RefuseAsync(context, token is null ? 401 : 404, token is null ? null : "RepoNotFound", token is null ? "Invalid username or password." : "Repository not found");
        else if (route.Kind == "api")
            await AnswerApiAsync(context, repository, parts[(route.Skip + 2)..]);
        else
            await AnswerFileAsync(context, repository, route.Kind, parts[(route.Skip + 2)..], token);
    }

    private static async Task AnswerApiAsync(HttpContext context, FakeRepository repository, string[] rest)
    {
        if (rest is ["tree", var commit, ..])
        {
            await AnswerTreeAsync(context, repository, commit);
            return;
        }

        string revision = rest is ["revision", var given] ? given : "main";
        if (revision != "main" && revision != repository.Commit && revision != "v1/stable")
        {
            await RefuseAsync(context, 404, "RevisionNotFound", $"Invalid rev id: {revision}");
            return;
        }

        JsonArray siblings = [];
        foreach (string path in repository.Files.Keys.Concat(repository.ListedOnly))
        {
            JsonObject sibling = new() { ["rfilename"] = path };
            if (repository.ListsSizes && repository.Files.TryGetValue(path, out byte[]? content))
            {
                sibling["size"] = content.Length;
                sibling["blobId"] = repository.BlobId(path);
                if (FakeRepository.IsLarge(path) && repository.ListsHashes)
                    sibling["lfs"] = new JsonObject { ["size"] = content.Length, ["sha256"] = repository.Sha256(path), ["pointerSize"] = 134 };
            }

            siblings.Add(sibling);
        }

        JsonObject info = new()
        {
            ["_id"] = "1", ["id"] = repository.Id, ["modelId"] = repository.Id, ["sha"] = repository.Commit, ["private"] = false, ["gated"] = repository.Accepted is null ? false : "manual", ["disabled"] = null,
            ["tags"] = new JsonArray(), ["cardData"] = repository.License is null ? null : new JsonObject { ["license"] = repository.License }, ["siblings"] = siblings,
        };
        await WriteJsonAsync(context, info);
    }

    private static async Task AnswerTreeAsync(HttpContext context, FakeRepository repository, string commit)
    {
        int start = int.TryParse(context.Request.Query["cursor"], CultureInfo.InvariantCulture, out int cursor) ? cursor : 0;
        string[] paths = [.. repository.Files.Keys];
        JsonArray entries = [new JsonObject { ["type"] = "directory", ["oid"] = new string('d', 40), ["size"] = 0, ["path"] = "figures" }];
        foreach (string path in paths.Skip(start).Take(repository.PageSize))
        {
            JsonObject entry = new() { ["type"] = "file", ["path"] = path, ["size"] = repository.Files[path].Length, ["oid"] = repository.BlobId(path) };
            if (FakeRepository.IsLarge(path))
                entry["lfs"] = new JsonObject { ["oid"] = repository.Sha256(path), ["size"] = repository.Files[path].Length, ["pointerSize"] = 134 };
            entries.Add(entry);
        }

        // As a mirror that passes on the original's links.
        if (start + repository.PageSize < paths.Length)
            context.Response.Headers.Link = string.Create(CultureInfo.InvariantCulture, $"<https://huggingface.co/api/models/{repository.Id}/tree/{commit}?recursive=true&cursor={start + repository.PageSize}>; rel=\"next\"");
        await WriteJsonAsync(context, entries);
    }

    private async Task AnswerFileAsync(HttpContext context, FakeRepository repository, string kind, string[] rest, string? token)
    {
        string commit = kind == "cache" ? rest[0] : rest[1], path = string.Join('/', kind == "cache" ? rest[1..] : rest[2..]);
        if (repository.Accepted is not null && (token is null || !repository.Accepted.Contains(token)))
        {
            await RefuseAsync(context, token is null ? 401 : 403, "GatedRepo", $"Access to model {repository.Id} is restricted.");
            return;
        }

        context.Response.Headers["X-Repo-Commit"] = repository.Commit;
        if (commit != repository.Commit && commit != "main")
            await RefuseAsync(context, 404, "RevisionNotFound", $"Invalid rev id: {commit}");
        else if (!repository.Files.TryGetValue(path, out byte[]? content))
            await RefuseAsync(context, 404, "EntryNotFound", "Entry not found");
        else if (FakeRepository.IsLarge(path))
        {
            int signature = Interlocked.Increment(ref _signatures);
            context.Response.Headers["X-Linked-ETag"] = $"\"{repository.Sha256(path)}\"";
            context.Response.Headers["X-Linked-Size"] = content.Length.ToString(CultureInfo.InvariantCulture);
            context.Response.StatusCode = 302;
            context.Response.Headers.Location = $"{Storage}{repository.Id}/{Uri.EscapeDataString(path)}?signature={signature}&Expires=1";
            await context.Response.WriteAsync("Found. Redirecting to the storage");
        }
        else if (kind == "resolve")
        {
            // Only the cache's own address has the file: whoever drops the query gets nothing.
            context.Response.StatusCode = 307;
            context.Response.Headers.Location = $"/api/resolve-cache/models/{repository.Id}/{repository.Commit}/{Uri.EscapeDataString(path)}?etag={repository.BlobId(path)}";
        }
        else if (context.Request.Query["etag"] != repository.BlobId(path))
            await RefuseAsync(context, 400, null, "no etag");
        else
        {
            context.Response.Headers.ETag = $"\"{repository.BlobId(path)}\"";
            if (context.Request.Headers.AcceptEncoding.ToString().Contains("gzip", StringComparison.Ordinal))
                context.Response.Headers.ContentEncoding = "gzip";
            await WriteAsync(context, content);
        }
    }

    private async Task AnswerStorageAsync(HttpContext context)
    {
        Request request = Keep(context, isStorage: true);
        if (Instead is not null && await Instead(context, request))
            return;
        string[] parts = [.. request.Path.Split('?')[0].Split('/', StringSplitOptions.RemoveEmptyEntries).Select(Uri.UnescapeDataString)];
        byte[] content = _repositories[$"{parts[0]}/{parts[1]}"].Files[string.Join('/', parts[2..])];
        if (int.Parse(context.Request.Query["signature"].ToString(), CultureInfo.InvariantCulture) <= ExpiredSignatures)
        {
            context.Response.StatusCode = 403;
            await context.Response.WriteAsync("<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>");
            return;
        }

        long first = 0, last = content.Length - 1;
        if (request.Range is string range)
        {
            string[] bounds = range["bytes=".Length..].Split('-');
            first = long.Parse(bounds[0], CultureInfo.InvariantCulture);
            last = bounds[1].Length == 0 ? last : Math.Min(last, long.Parse(bounds[1], CultureInfo.InvariantCulture));
            if (first >= content.Length)
            {
                context.Response.StatusCode = 416;
                context.Response.Headers.ContentRange = $"bytes */{content.Length}";
                return;
            }

            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {first}-{last}/{content.Length}";
        }

        byte[] part = content[(int)first..((int)last + 1)];
        Damage?.Invoke(parts[^1], first, part);
        await WriteAsync(context, part);
    }

    private async Task WriteAsync(HttpContext context, byte[] content)
    {
        context.Response.ContentLength = content.Length;
        if (context.Request.Method == "HEAD")
            return;
        if (CutsAfterBytes is int cut && cut < content.Length)
        {
            Interlocked.Add(ref _bytesSent, cut);
            await context.Response.Body.WriteAsync(content.AsMemory(0, cut));
            await context.Response.Body.FlushAsync();
            context.Abort();
            return;
        }

        Interlocked.Add(ref _bytesSent, content.Length);
        await context.Response.Body.WriteAsync(content);
    }

    private static async Task WriteJsonAsync(HttpContext context, JsonNode json)
    {
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.Headers["RateLimit"] = "\"api\";r=499;t=300";
        await context.Response.WriteAsync(json.ToJsonString(), Encoding.UTF8);
    }
}
