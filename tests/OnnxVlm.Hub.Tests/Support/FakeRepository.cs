using System.Security.Cryptography;
using System.Text;

namespace OnnxVlm.Hub.Tests.Support;

/// <summary>A repository of the fake hub: files in memory, and what is odd about it.</summary>
internal sealed class FakeRepository
{
    public FakeRepository(string id, string? folder = null)
    {
        Id = id;
        foreach (string path in folder is null ? [] : Directory.EnumerateFiles(folder))
            Files[Path.GetFileName(path)] = File.ReadAllBytes(path);
    }

    public string Id { get; }

    /// <summary>The commit of the default branch.</summary>
    public string Commit { get; set; } = new('a', 40);

    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>Paths that are listed and not there.</summary>
    public List<string> ListedOnly { get; } = [];

    /// <summary>Tokens that may read it; empty for everybody.</summary>
    public List<string> Readers { get; } = [];

    /// <summary>Tokens of accounts that have accepted its terms; null where it has none.</summary>
    public List<string>? Accepted { get; set; }

    public string? License { get; set; } = "apache-2.0";

    /// <summary>Whether the description tells lengths and hashes; mirrors do not, and the tree does.</summary>
    public bool ListsSizes { get; set; } = true;

    /// <summary>Whether the list of files tells the SHA-256 of large files; else only the redirect does.</summary>
    public bool ListsHashes { get; set; } = true;

    /// <summary>The hash that the hub promises for a file; null for the right one.</summary>
    public Dictionary<string, string> PromisedHashes { get; } = new(StringComparer.Ordinal);

    /// <summary>Entries on a page of the tree.</summary>
    public int PageSize { get; set; } = 1000;

    /// <summary>Whether a file is large, and on the other host.</summary>
    public static bool IsLarge(string path) => path.EndsWith(".safetensors", StringComparison.Ordinal) || path.EndsWith(".data", StringComparison.Ordinal);

    public string Sha256(string path) => PromisedHashes.TryGetValue(path, out string? promised) ? promised : Convert.ToHexStringLower(SHA256.HashData(Files[path]));

    public string BlobId(string path) =>
#pragma warning disable CA5350 // Git's own hash.
        Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {Files[path].Length}\0"), .. Files[path]]));
#pragma warning restore CA5350
}
