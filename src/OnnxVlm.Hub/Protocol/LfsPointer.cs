namespace OnnxVlm.Hub.Protocol;

/// <summary>The pointer in place of a large file, in a repository that was copied without the file's content.</summary>
internal static class LfsPointer
{
    /// <summary>The longest pointer.</summary>
    public const int MaxBytes = 1024;

    /// <summary>Whether a file's content is a pointer.</summary>
    public static bool Is(ReadOnlySpan<byte> content) => content.Length <= MaxBytes && content.StartsWith("version https://git-lfs"u8);

    /// <summary>The error for a pointer.</summary>
    public static ModelHubException Error(string id, string path) =>
        new(ModelHubError.Damaged,
            $"{id}: {path} is a pointer to a large file, and the repository does not hold the file itself; use the original repository, or tell its owner");
}
