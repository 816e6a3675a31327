using System.Text.RegularExpressions;

namespace OnnxVlm.Hub.Cache;

/// <summary>
/// Hugging Face's cache: <c>models--OWNER--NAME</c> with <c>blobs/HASH</c>, <c>snapshots/COMMIT/PATH</c>, which are links to the blobs where the disk
/// has links, and <c>refs/REVISION</c>, which hold the commit. Other programs also read and write it.
/// </summary>
internal sealed partial class HuggingFaceCache(string folder)
{
    /// <summary>The folder of the cache; the variables are read in the order of Hugging Face's own client.</summary>
    public static string FindFolder(Func<string, string?> environment) =>
        Expand(environment("HF_HUB_CACHE") ?? environment("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(FindHome(environment), "hub"), environment);

    /// <summary>The folder of the cache and the token.</summary>
    public static string FindHome(Func<string, string?> environment) =>
        Expand(environment("HF_HOME") ?? Path.Combine(environment("XDG_CACHE_HOME") ?? Path.Combine(Home(environment), ".cache"), "huggingface"), environment);

    /// <summary>The user's home folder.</summary>
    public static string Home(Func<string, string?> environment) =>
        (OperatingSystem.IsWindows() ? null : environment("HOME")) ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    /// <summary>A path with <c>~</c> and variables expanded.</summary>
    public static string Expand(string path, Func<string, string?> environment)
    {
        string expanded = Variable().Replace(path, match => environment(match.Groups[1].Value) ?? match.Value);
        return expanded == "~" || expanded.StartsWith("~/", StringComparison.Ordinal) || expanded.StartsWith("~\\", StringComparison.Ordinal)
            ? Home(environment) + expanded[1..]
            : expanded;
    }

    /// <summary>The folder of a model, whether it exists or not.</summary>
    public string FolderOf(string id) => Path.Combine(folder, "models--" + id.Replace("/", "--", StringComparison.Ordinal));

    /// <summary>The snapshot of a revision.</summary>
    /// <returns>The folder, which may be incomplete, and its commit; null where there is none.</returns>
    public (string Folder, string Commit)? FindSnapshot(string id, string? revision)
    {
        string model = FolderOf(id), reference = Path.Combine([model, "refs", .. (revision ?? "main").Split('/')]);
        string? commit = revision is { Length: 40 } && revision.All(char.IsAsciiHexDigitLower)
            ? revision
            : File.Exists(reference) ? File.ReadAllText(reference).Trim() : null;
        if (commit is null || commit.Length != 40 || !commit.All(char.IsAsciiHexDigitLower))
            return null;
        string snapshot = Path.Combine(model, "snapshots", commit);
        return Directory.Exists(snapshot) ? (snapshot, commit) : null;
    }

    /// <summary>The hash that the name of a blob states.</summary>
    /// <param name="path">A file of a snapshot.</param>
    /// <returns>The SHA-256; null where the file is not a link, or links to something other than the blob of a large file.</returns>
    public static string? HashOf(string path) =>
        File.ResolveLinkTarget(path, returnFinalTarget: true) is FileSystemInfo { Name: { Length: 64 } name } && name.All(char.IsAsciiHexDigitLower)
            ? name
            : null;

    [GeneratedRegex(@"\$\{?(\w+)\}?")]
    private static partial Regex Variable();
}
