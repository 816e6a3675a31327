using OnnxVlm.Export.FolderWriting;

namespace OnnxVlm.Export.Streaming;

/// <summary>
/// The folder that a streamed export writes to until it is complete: a hidden folder beside the model folder, which survives an interruption. Its
/// folder <c>model</c> becomes the model folder. Beside that are the <see cref="StreamState"/> and what else is needed until then.
/// </summary>
internal sealed class PartialFolder : IDisposable
{
    private const string LockFile = ".lock";

    private readonly string _output;
    private readonly string _root;
    private readonly FileStream _lock;

    /// <summary>Creates the folder, or continues in an existing one.</summary>
    /// <exception cref="ModelLoadException">It cannot be written, or another process writes it.</exception>
    public PartialFolder(string output)
    {
        _output = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));
        _root = PathOf(output);
        try
        {
            Directory.CreateDirectory(ModelFolder);
            _lock = new FileStream(
                Path.Combine(_root, LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException(
                $"{output}: cannot be written, or another process writes it ({exception.Message}); wait for it, or choose another output folder", exception);
        }
    }

    /// <summary>The folder of the state.</summary>
    public string Root => _root;

    /// <summary>The folder that becomes the model folder.</summary>
    public string ModelFolder => Path.Combine(_root, "model");

    /// <summary>The partial folder of a model folder, whether it exists or not.</summary>
    public static string PathOf(string output)
    {
        string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));
        string parent = Path.GetDirectoryName(path) ?? throw new ModelLoadException($"{output}: expected a folder, found the root of a disk");
        return Path.Combine(parent, $".{Path.GetFileName(path)}.partial");
    }

    /// <summary>Removes files of the model folder that is being written.</summary>
    /// <param name="except">A file to keep; null for none.</param>
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

    /// <summary>Releases the folder; its contents stay.</summary>
    public void Dispose() => _lock.Dispose();
}
