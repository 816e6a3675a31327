using OnnxVlm.Export.ModelFolders;

namespace OnnxVlm.Export.Streaming;

/// <summary>
/// Where a streamed export writes until it is whole: a hidden folder beside the model folder, which outlives an interruption. <c>model</c> in it becomes the model folder; beside that are the
/// <see cref="StreamState"/> and what else is needed until then.
/// </summary>
internal sealed class PartialFolder : IDisposable
{
    private const string LockFile = ".lock";

    private readonly string _output;
    private readonly string _root;
    private readonly FileStream _lock;

    /// <summary>Creates the folder, or goes on in one that is there.</summary>
    /// <exception cref="ModelLoadException">It cannot be written, or another process writes it.</exception>
    public PartialFolder(string output)
    {
        _output = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));
        _root = PathOf(output);
        try
        {
            Directory.CreateDirectory(ModelFolder);
            _lock = new FileStream(Path.Combine(_root, LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException($"{output}: cannot be written, or another process writes it ({exception.Message}); wait for it, or choose another output folder", exception);
        }
    }

    /// <summary>Where the state lies.</summary>
    public string Root => _root;

    /// <summary>What becomes the model folder.</summary>
    public string ModelFolder => Path.Combine(_root, "model");

    /// <summary>The partial folder of a model folder, whether it exists or not.</summary>
    public static string PathOf(string output)
    {
        string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));
        string parent = Path.GetDirectoryName(path) ?? throw new ModelLoadException($"{output}: expected a folder, found the root of a disk");
        return Path.Combine(parent, $".{Path.GetFileName(path)}.partial");
    }

    /// <summary>Removes files of the model folder that is being written.</summary>
    /// <param name="except">A file to leave; null for none.</param>
    public void Clear(string? except)
    {
        foreach (string path in Directory.EnumerateFiles(ModelFolder).Where(path => Path.GetFileName(path) != except).ToList())
            File.Delete(path);
    }

    /// <summary>Moves the model into its place, and removes the rest.</summary>
    public void Commit()
    {
        FolderTransaction.MoveIntoPlace(ModelFolder, _output);
        Dispose();
        Directory.Delete(_root, recursive: true);
    }

    /// <summary>Lets go of the folder; what is in it stays.</summary>
    public void Dispose() => _lock.Dispose();
}
