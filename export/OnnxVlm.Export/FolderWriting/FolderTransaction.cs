using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.FolderWriting;

/// <summary>
/// Writes a folder as a whole: files go to a temporary folder beside it, and <see cref="Commit"/> moves them into place. Disposing without a commit
/// removes everything. The next export removes what a killed export left behind; its lock is free.
/// </summary>
internal sealed class FolderTransaction : IDisposable
{
    private const string Marker = ".onnxvlm-export-";
    private const string LockFile = ".lock";

    private readonly string _output;
    private readonly FileStream _lock;

    /// <summary>Creates the temporary folder.</summary>
    /// <exception cref="ModelLoadException">
    /// The output is a file, or a folder with files in it while <paramref name="overwrite"/> is false, or cannot be written.
    /// </exception>
    public FolderTransaction(string output, bool overwrite)
    {
        _output = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));
        if (File.Exists(_output))
            throw new ModelLoadException($"{output}: expected a folder to write to, found a file; choose another output folder");
        if (!overwrite && Directory.Exists(_output) && Directory.EnumerateFileSystemEntries(_output).Any())
            throw new ModelLoadException($"{output}: expected a new or an empty folder, found files in it; choose another one, or allow overwriting");

        string parent = Path.GetDirectoryName(_output) ?? throw new ModelLoadException($"{output}: expected a folder, found the root of a disk");
        try
        {
            Directory.CreateDirectory(parent);
            RemoveAbandoned(parent);
            Folder = Path.Combine(parent, $".{Path.GetFileName(_output)}{Marker}{Guid.NewGuid():N}");
            Directory.CreateDirectory(Folder);
            string path = Path.Combine(Folder, LockFile);
            _lock = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException($"{output}: cannot be written ({exception.Message}); choose another output folder", exception);
        }
    }

    /// <summary>Where the files are written until <see cref="Commit"/>.</summary>
    public string Folder { get; }

    /// <summary>Moves the files into place.</summary>
    public void Commit()
    {
        _lock.Dispose();
        MoveIntoPlace(Folder, _output);
    }

    /// <summary>
    /// Turns a folder into the model folder. A new one appears at once, by one rename. In an existing one, the old manifest is removed first and the new one
    /// comes last, so that the folder is not taken for a model in between. Files of the old export that the new one does not have are removed.
    /// </summary>
    /// <param name="folder">The folder with the files, on the same disk.</param>
    /// <param name="output">The model folder.</param>
    public static void MoveIntoPlace(string folder, string output)
    {
        if (Directory.Exists(output) && !Directory.EnumerateFileSystemEntries(output).Any())
            Directory.Delete(output);
        if (!Directory.Exists(output))
        {
            Directory.Move(folder, output);
            return;
        }

        string[] old = OldFiles(output);
        File.Delete(Path.Combine(output, ModelManifest.FileName));
        string[] files = [.. Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)).OrderBy(name => name == ModelManifest.FileName)];
        foreach (string name in old.Except(files))
            File.Delete(Path.Combine(output, name));
        foreach (string name in files)
            File.Move(Path.Combine(folder, name), Path.Combine(output, name), overwrite: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _lock.Dispose();
        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
    }

    private static string[] OldFiles(string output)
    {
        try
        {
            return [.. ModelManifest.Load(output).Files.Keys];
        }
        catch (ModelLoadException)
        {
            // Not a model folder, or a damaged one: no file in it is known to be ours.
            return [];
        }
    }

    private void RemoveAbandoned(string parent)
    {
        foreach (string folder in Directory.EnumerateDirectories(parent, $".{Path.GetFileName(_output)}{Marker}*"))
        {
            try
            {
                string path = Path.Combine(folder, LockFile);
                if (File.Exists(path))
                    new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
                Directory.Delete(folder, recursive: true);
            }
            catch (IOException)
            {
                // Its export is still running.
            }
        }
    }
}
