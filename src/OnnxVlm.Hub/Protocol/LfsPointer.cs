namespace OnnxVlm.Hub.Protocol;

/// <summary>What stands in a repository in place of a large file, where somebody has copied it without its content.</summary>
internal static class LfsPointer
{
    /// <summary>No pointer is longer.</summary>
    public const int MaxBytes = 1024;

    /// <summary>Whether a file's content is a pointer.</summary>
    public static bool Is(ReadOnlySpan<byte> content) => content.Length <= MaxBytes && content.StartsWith("version https://git-lfs"u8);

    /// <summary>The error that it is one.</summary>
    public static ModelHubException Error(string id, string path) =>
        new(ModelHubError.Damaged, $"{id}: {path} is a pointer to a large file, and the repository does not hold the file itself; use the original repository, or tell its owner");
}
