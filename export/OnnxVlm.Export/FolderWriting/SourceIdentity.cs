using System.Security.Cryptography;
using System.Text;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.FolderWriting;

/// <summary>Finds the name and the revision of a checkpoint.</summary>
internal static class SourceIdentity
{
    private const string CachePrefix = "models--";

    /// <summary>
    /// In a Hugging Face cache, <c>…/models--owner--name/snapshots/commit</c>, both are in the path. Elsewhere the revision is the hash of the
    /// weights: of the file, or of the shards' hashes one after the other.
    /// </summary>
    public static ModelSource Find(
        string checkpointFolder, string? name, IEnumerable<string> weightPaths, IProgress<ExportProgress>? progress, CancellationToken cancellationToken)
    {
        DirectoryInfo folder = new(Path.TrimEndingDirectorySeparator(Path.GetFullPath(checkpointFolder)));
        if (IsCommit(folder.Name) && folder.Parent is { Name: "snapshots", Parent: DirectoryInfo repository }
            && repository.Name.StartsWith(CachePrefix, StringComparison.Ordinal))
        {
            string inCache = repository.Name[CachePrefix.Length..].Replace("--", "/", StringComparison.Ordinal);
            return new ModelSource { Name = name ?? inCache, Revision = folder.Name };
        }

        string[] hashes = [.. weightPaths.Select(path => FileHash.Compute(path, progress, cancellationToken))];
        string hash = hashes is [string single] ? single : Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join('\n', hashes))));
        string ofFolder = folder is { Name: "hf", Parent: DirectoryInfo parent } ? parent.Name : folder.Name;
        return new ModelSource { Name = name ?? ofFolder, Revision = $"sha256:{hash}" };
    }

    private static bool IsCommit(string text) => text.Length == 40 && text.All(char.IsAsciiHexDigitLower);
}
