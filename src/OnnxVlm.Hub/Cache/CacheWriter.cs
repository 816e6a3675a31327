namespace OnnxVlm.Hub.Cache;

/// <summary>Adds a snapshot to Hugging Face's cache, as its own client would.</summary>
/// <param name="modelFolder">The folder of the model in the cache.</param>
/// <param name="commit">The commit.</param>
/// <param name="usesSymlinks">Whether the files of a snapshot may be links.</param>
internal sealed class CacheWriter(string modelFolder, string commit, bool usesSymlinks)
{
    private bool _canLink = usesSymlinks;

    /// <summary>The folder of the snapshot.</summary>
    public string Snapshot { get; } = Path.Combine(modelFolder, "snapshots", commit);

    /// <summary>The path of a blob, whether it is there or not.</summary>
    public string BlobOf(string hash) => Path.Combine(modelFolder, "blobs", hash);

    /// <summary>
    /// Where a download of a blob is kept until it is whole. The name is ours: other clients take a file that is named as theirs for the beginning of their own.
    /// </summary>
    public string UnfinishedBlobOf(string hash) => BlobOf(hash) + ".onnxvlm-part";

    /// <summary>Whether a file of the snapshot is there.</summary>
    public bool Has(string path) => File.Exists(Path.Combine(Snapshot, path));

    /// <summary>Puts a file into the snapshot whose blob is there: a link, or where the disk has none, the blob itself.</summary>
    public void Link(string path, string hash)
    {
        string target = Path.Combine(Snapshot, path);
        if (File.Exists(target))
            return;
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        if (_canLink)
        {
            try
            {
                string up = string.Concat(Enumerable.Repeat("../", 2 + path.Count(letter => letter == '/')));
                File.CreateSymbolicLink(target, Path.Combine(up + "blobs", hash));
                return;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Windows without developer mode, or a disk without links: the client moves the blob then, and so do we.
                _canLink = false;
            }
        }

        File.Move(BlobOf(hash), target);
    }

    /// <summary>Says which commit a revision is, when all files are there.</summary>
    public void SaveReference(string revision)
    {
        string path = Path.Combine([modelFolder, "refs", .. revision.Split('/')]);
        if (revision == commit || (File.Exists(path) && File.ReadAllText(path) == commit))
            return;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string next = $"{path}.{Guid.NewGuid():N}";
        File.WriteAllText(next, commit);
        File.Move(next, path, overwrite: true);
    }
}
