using OnnxVlm.Export.Streaming;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Hub.Local;

/// <summary>
/// The folder of models: <c>OWNER/NAME/VARIANT</c>, or <c>VARIANT@REVISION</c> where a revision was asked for. Partial models and locks are in hidden
/// folders and files beside them. Thread-safe; other processes may use the folder, too.
/// </summary>
/// <param name="root">The folder; it need not exist.</param>
internal sealed class ModelStore(string root)
{
    private const string PartialEnd = ".partial";
    private static readonly TimeSpan LockInterval = TimeSpan.FromMilliseconds(250);

    /// <summary>The folder of a model, whether it exists or not.</summary>
    /// <param name="reference">The model.</param>
    /// <param name="variant">The variant.</param>
    public string FolderOf(ModelReference reference, string variant) =>
        Path.Combine(ModelFolderOf(reference.Id), reference.Revision is null ? variant : $"{variant}@{Uri.EscapeDataString(reference.Revision)}");

    /// <summary>A folder for small files of a commit, while it is pulled.</summary>
    public string FilesFolderOf(string id, string commit) => Path.Combine(ModelFolderOf(id), ".files-" + commit);

    /// <summary>All models, also those that are partial, in order of their names.</summary>
    public IReadOnlyList<LocalModel> List()
    {
        List<LocalModel> models = [];
        foreach (string owner in Folders(root))
        {
            foreach (string model in Folders(owner))
            {
                string id = $"{Path.GetFileName(owner)}/{Path.GetFileName(model)}";
                foreach (string folder in Folders(model))
                {
                    if (Read(id, folder) is LocalModel read)
                        models.Add(read);
                }
            }
        }

        return [.. models.OrderBy(model => model.Reference.ToString(), StringComparer.OrdinalIgnoreCase)];
    }

    /// <summary>The models of a name, the best fits first.</summary>
    public IEnumerable<LocalModel> Find(ModelReference reference) => List().Where(model =>
        model.Reference.Id.Equals(reference.Id, StringComparison.OrdinalIgnoreCase)
        && (reference.Revision is null || reference.Revision == model.Reference.Revision || reference.Revision == model.Source?.Revision)
        && (reference.Variant is null || reference.Variant == model.Reference.Variant));

    /// <summary>Waits until no other process pulls a model, and then locks it.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="waiting">Called once if another process holds the lock.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>The lock; disposing it releases it.</returns>
    /// <exception cref="ModelHubException">The folder cannot be written.</exception>
    public static async Task<IDisposable> LockAsync(string folder, Action waiting, CancellationToken cancellationToken)
    {
        string parent = Path.GetDirectoryName(folder)!, path = Path.Combine(parent, $".{Path.GetFileName(folder)}.lock");
        for (bool first = true; ; first = false)
        {
            try
            {
                Directory.CreateDirectory(parent);
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);
            }
            catch (IOException exception) when (IsInUse(exception))
            {
                if (first)
                    waiting();
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw CannotWrite(parent, exception);
            }

            await Task.Delay(LockInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The error that models cannot be stored.</summary>
    public static ModelHubException CannotWrite(string folder, Exception exception) => new(
        ModelHubError.Other,
        $"{folder}: cannot be written ({exception.Message.ReplaceLineEndings(" ")}); give ONNXVLM_MODELS a folder that you may write to", exception);

    /// <summary>Removes a model, complete or partial.</summary>
    /// <exception cref="ModelHubException">A process is pulling it, or it cannot be removed.</exception>
    public static void Remove(LocalModel model)
    {
        string parent = Path.GetDirectoryName(model.Folder)!, path = Path.Combine(parent, $".{Path.GetFileName(model.Folder)}.lock");
        try
        {
            using (new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose))
            {
                // The manifest goes first: a partly removed folder is not a model.
                if (Directory.Exists(model.Folder))
                    File.Delete(Path.Combine(model.Folder, ModelManifest.FileName));
                Delete(model.Folder);
                Delete(StreamedCheckpoint.PartialFolderOf(model.Folder));
            }

            RemoveIfEmpty(parent);
        }
        catch (IOException exception) when (IsInUse(exception))
        {
            throw new ModelHubException(ModelHubError.Other, $"{model.Reference}: another process is pulling it; stop that first", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelHubException(ModelHubError.Other,
                $"{model.Folder}: cannot be removed ({exception.Message.ReplaceLineEndings(" ")}); check its permissions, and stop what uses it", exception);
        }
    }

    /// <summary>Removes the small files of commits that no partial model needs, and then empty folders.</summary>
    public static void RemoveIfEmpty(string modelFolder)
    {
        if (!Directory.Exists(modelFolder) || Directory.EnumerateDirectories(modelFolder, $".*{PartialEnd}").Any())
            return;
        foreach (string files in Directory.EnumerateDirectories(modelFolder, ".files-*").ToList())
            Delete(files);
        string? end = Path.GetDirectoryName(Path.GetDirectoryName(modelFolder)), folder = modelFolder;
        for (; folder is not null && folder != end && !Directory.EnumerateDirectories(folder).Any(); folder = Path.GetDirectoryName(folder))
        {
            if (Directory.EnumerateFiles(folder).Any(path => !path.EndsWith(".lock", StringComparison.Ordinal)))
                return;
            Delete(folder);
        }
    }

    /// <summary>Free bytes on the disk of a folder, which need not exist; null where the system does not tell.</summary>
    public static long? FreeBytes(string folder)
    {
        string? existing = Path.GetFullPath(folder);
        while (existing is not null && !Directory.Exists(existing))
            existing = Path.GetDirectoryName(existing);
        try
        {
            return existing is null ? null : new DriveInfo(OperatingSystem.IsWindows() ? Path.GetPathRoot(existing)! : existing).AvailableFreeSpace;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // A network share: its free space shows when it is written.
            return null;
        }
    }

    private string ModelFolderOf(string id) => Path.Combine([root, .. id.Split('/')]);

    private static LocalModel? Read(string id, string folder)
    {
        string name = Path.GetFileName(folder);
        bool isPartial = name.StartsWith('.') && name.EndsWith(PartialEnd, StringComparison.Ordinal);
        if (isPartial)
            name = name[1..^PartialEnd.Length];
        string[] parts = name.Split('@', 2);
        if (!ModelReference.TryParse($"{id}{(parts.Length == 2 ? "@" + Uri.UnescapeDataString(parts[1]) : "")}:{parts[0]}", out ModelReference? reference))
            return null;
        string target = Path.Combine(Path.GetDirectoryName(folder)!, name);
        if (isPartial)
            return Directory.Exists(target) ? null : new LocalModel(
                reference, target, LocalModelState.Partial, Size(folder), Directory.GetLastWriteTimeUtc(folder));
        string manifest = Path.Combine(folder, ModelManifest.FileName);
        if (!File.Exists(manifest))
            return null;
        try
        {
            return new LocalModel(reference, folder, LocalModelState.Ready, Size(folder), File.GetLastWriteTimeUtc(manifest))
            {
                Source = ModelManifest.Load(folder).Source,
            };
        }
        catch (ModelLoadException)
        {
            return new LocalModel(reference, folder, LocalModelState.Outdated, Size(folder), File.GetLastWriteTimeUtc(manifest));
        }
    }

    private static long Size(string folder) => new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);

    private static IEnumerable<string> Folders(string folder) => Directory.Exists(folder) ? Directory.EnumerateDirectories(folder) : [];

    private static void Delete(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    /// <summary>The system's codes for a lock that another process holds: on Linux, on macOS, on Windows.</summary>
    private static bool IsInUse(IOException exception) => exception.HResult is 11 or 35 or unchecked((int)0x80070020);
}
