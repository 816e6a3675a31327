using System.Text.Json;

namespace OnnxVlm.Hub.Protocol;

/// <summary>Reads the hub's description of a model. Everything in it may be missing or null, and nothing is trusted.</summary>
internal static class ModelInfo
{
    private const int MaxFiles = 100_000;

    /// <summary>Reads the answer of <c>/api/models/ID</c>.</summary>
    /// <exception cref="ModelHubException">It is not such an answer.</exception>
    public static Repository Parse(string id, byte[] json)
    {
        using JsonDocument document = ParseJson(id, json);
        JsonElement root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object || Text(root, "sha") is not string commit || commit.Length != 40 || !commit.All(char.IsAsciiHexDigit))
            throw NotTheHub(id, "no commit in its answer");
        if (Property(root, "disabled") is { ValueKind: JsonValueKind.True })
            throw new ModelHubException(ModelHubError.NotFound, $"{id}: the hub has disabled this model; use another one");
        List<RepositoryFile> files = [];
        foreach (JsonElement sibling in Items(Property(root, "siblings")))
        {
            JsonElement? lfs = Property(sibling, "lfs");
            string? sha256 = Text(lfs, "sha256") ?? Text(lfs, "oid");
            files.Add(
                File(id, Text(sibling, "rfilename"), Number(lfs, "size") ?? Number(sibling, "size"), sha256 is null ? Text(sibling, "blobId") : null, sha256));
        }

        // A renamed model answers with its new name.
        string name = ModelReference.TryParse(Text(root, "id") ?? id, out ModelReference? spelled) ? spelled.Id : id;
        return new Repository(
            name, commit, License(root), Property(root, "gated") is { ValueKind: JsonValueKind.String or JsonValueKind.True }, Limit(id, files));
    }

    /// <summary>Reads a page of <c>/api/models/ID/tree/COMMIT</c>.</summary>
    /// <exception cref="ModelHubException">It is not such a page.</exception>
    public static IReadOnlyList<RepositoryFile> ParseTree(string id, byte[] json)
    {
        using JsonDocument document = ParseJson(id, json);
        if (document.RootElement.ValueKind != JsonValueKind.Array)
            throw NotTheHub(id, "no list of files");
        List<RepositoryFile> files = [];
        foreach (JsonElement entry in document.RootElement.EnumerateArray().Where(entry => Text(entry, "type") != "directory"))
        {
            JsonElement? lfs = Property(entry, "lfs");
            string? sha256 = Text(lfs, "oid") ?? Text(lfs, "sha256");
            files.Add(File(id, Text(entry, "path"), Number(lfs, "size") ?? Number(entry, "size"), sha256 is null ? Text(entry, "oid") : null, sha256));
        }

        return Limit(id, files);
    }

    private static RepositoryFile File(string id, string? path, long? size, string? blobId, string? sha256)
    {
        // The path later becomes part of a path on this disk.
        if (string.IsNullOrEmpty(path) || path[0] == '/'
            || path.AsSpan().IndexOfAny('\\', ':', '\0') >= 0 || path.Split('/').Any(part => part is "" or "." or ".."))
            throw new ModelHubException(
                ModelHubError.Damaged, $"{id}: the hub lists a file \"{path}\", which would lie outside of the model's folder; do not use this repository");
        return new RepositoryFile(path, size is >= 0 ? size : null, IsHash(blobId, 40) ? blobId : null, IsHash(sha256, 64) ? sha256!.ToLowerInvariant() : null);
    }

    private static string? License(JsonElement root)
    {
        JsonElement? card = Property(root, "cardData");
        string? license = Text(card, "license");
        if (license == "other")
            return Text(card, "license_name") is string name ? $"{name}{(Text(card, "license_link") is string link ? $" ({link})" : "")}" : license;
        return license ?? Items(Property(root, "tags")).Select(tag => tag.ValueKind == JsonValueKind.String ? tag.GetString()! : "")
            .Where(tag => tag.StartsWith("license:", StringComparison.Ordinal)).Select(tag => tag["license:".Length..]).FirstOrDefault();
    }

    private static JsonDocument ParseJson(string id, byte[] json)
    {
        try
        {
            return JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 32 });
        }
        catch (JsonException exception)
        {
            throw new ModelHubException(
                ModelHubError.Other, $"{id}: what answers is not the hub (expected JSON: {exception.Message.Split('\n')[0].TrimEnd('.')}); " +
                "check HF_ENDPOINT and your proxy", exception);
        }
    }

    private static List<RepositoryFile> Limit(string id, List<RepositoryFile> files) =>
        files.Count <= MaxFiles ? files : throw NotTheHub(id, $"{files.Count} files");

    private static ModelHubException NotTheHub(string id, string what) =>
        new(ModelHubError.Other, $"{id}: what answers is not the hub ({what}); check HF_ENDPOINT and your proxy");

    private static bool IsHash(string? text, int length) => text?.Length == length && text.All(char.IsAsciiHexDigit);

    private static JsonElement? Property(JsonElement? element, string name) =>
        element is { ValueKind: JsonValueKind.Object } some && some.TryGetProperty(name, out JsonElement value) ? value : null;

    private static string? Text(JsonElement? element, string name) =>
        Property(element, name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    private static long? Number(JsonElement? element, string name) =>
        Property(element, name) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt64(out long number) ? number : null;

    private static JsonElement.ArrayEnumerator Items(JsonElement? element) =>
        element is { ValueKind: JsonValueKind.Array } array ? array.EnumerateArray() : default;
}
