using System.IO.Compression;

namespace OnnxVlm.Evaluation.Cases;

/// <summary>
/// A folder of cases: <c>cases.jsonl</c>, with its images beside it as files, or in <c>images.zip</c>, from which they are read directly.
/// </summary>
internal sealed class EvaluationSet : IDisposable
{
    private const string CasesFile = "cases.jsonl", ImagesFile = "images.zip";

    private readonly string _folder;
    private readonly ZipArchive? _images;

    /// <summary>Opens a folder and reads its cases.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="VlmException">A file is missing or damaged, or a line is not a case; the message has the file or the line.</exception>
    public EvaluationSet(string folder)
    {
        _folder = folder;
        string path = Path.Combine(folder, CasesFile), images = Path.Combine(folder, ImagesFile);
        if (!File.Exists(path))
            throw new VlmException($"{path} does not exist; --data names a folder with {CasesFile} and its images.");
        Cases = EvaluationCase.Read(path);
        try
        {
            _images = File.Exists(images) ? ZipFile.OpenRead(images) : null;
        }
        catch (InvalidDataException e)
        {
            throw new VlmException($"{images} is not a zip file: {e.Message}", e);
        }
    }

    /// <summary>The cases, in the order of the file; at least one.</summary>
    public IReadOnlyList<EvaluationCase> Cases { get; }

    /// <summary>Reads an image. Not thread-safe.</summary>
    /// <param name="name">The name in the case.</param>
    /// <param name="maxBytes">The most bytes that it may have.</param>
    /// <returns>The file's bytes.</returns>
    /// <exception cref="VlmException">There is no such image, or it is too large or damaged.</exception>
    public byte[] ReadImage(string name, long maxBytes)
    {
        try
        {
            ZipArchiveEntry? entry = _images?.GetEntry(name);
            using Stream stream = entry?.Open() ?? File.OpenRead(Path.Combine(_folder, name));
            long length = entry?.Length ?? stream.Length;
            if (length > maxBytes)
                throw new VlmException($"The image {name} has {length} bytes; at most {maxBytes} are read.");
            byte[] bytes = new byte[length];
            stream.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or NotSupportedException)
        {
            throw new VlmException($"The image {name} of {_folder} cannot be read: {e.Message}", e);
        }
    }

    /// <inheritdoc />
    public void Dispose() => _images?.Dispose();
}
