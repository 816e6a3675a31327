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

    /// <summary>The path of a blob, whether it exists or not.</summary>
    public string BlobOf(string hash) => Path.Combine(modelFolder, "blobs", hash);

    /// <summary>
    /// The path of an unfinished download of a blob. The name is our own, because other clients take a file with their name for the
    /// beginning of their own download.
    /// </summary>
    public string UnfinishedBlobOf(string hash) => BlobOf(hash) + ".onnxvlm-part";

    /// <summary>Whether a file of the snapshot is there.</summary>
    public bool Has(string path) => File.Exists(Path.Combine(Snapshot, path));

    /// <summary>Adds a file, whose blob exists, to the snapshot: a link, or the blob itself where the disk has no links.</summary>
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
                // Windows without developer mode, or a disk without links: Hugging Face's client then moves the blob, and so do we.
                _canLink = false;
            }
        }

        File.Move(BlobOf(hash), target);
    }

    /// <summary>Records the commit of a revision, once all files are there.</summary>
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
