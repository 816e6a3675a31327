using System.IO.MemoryMappedFiles;

namespace OnnxVlm.Export.Safetensors;

/// <summary>One memory-mapped <c>.safetensors</c> file; see <see cref="SafetensorsHeader"/>. Safe for concurrent reads.</summary>
internal sealed class SafetensorsFile : IDisposable
{
    private readonly MemoryMappedFile _file;

    private SafetensorsFile(string path, MemoryMappedFile file, IReadOnlyList<CheckpointTensor> tensors)
    {
        Path = path;
        _file = file;
        Tensors = tensors;
    }

    /// <summary>The file's path, for messages.</summary>
    public string Path { get; }

    /// <summary>The tensors in the order of their bytes.</summary>
    public IReadOnlyList<CheckpointTensor> Tensors { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="ModelLoadException">The file is missing, cannot be read, or breaks a rule of the format.</exception>
    public static SafetensorsFile Open(string path)
    {
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw SafetensorsHeader.Damaged(path, $"cannot be opened ({exception.Message})", exception);
        }

        MemoryMappedFile? map = null;
        try
        {
            long fileBytes = stream.Length;
            Span<byte> prefix = stackalloc byte[(int)Math.Min(SafetensorsHeader.LengthBytes, fileBytes)];
            stream.ReadExactly(prefix);
            byte[] header = new byte[SafetensorsHeader.ReadLength(path, prefix, fileBytes)];
            stream.ReadExactly(header);
            IReadOnlyList<CheckpointTensor> tensors = SafetensorsHeader.Parse(path, header, fileBytes).Tensors;
            map = MemoryMappedFile.CreateFromFile(stream, mapName: null, capacity: 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            SafetensorsFile file = new(path, map, tensors);
            foreach (CheckpointTensor tensor in tensors)
                tensor.Attach(file);
            return file;
        }
        catch
        {
            map?.Dispose();
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Maps a range of the file. The caller disposes the view; nothing stays resident after that.</summary>
    public MemoryMappedViewAccessor Map(long offset, long length) => _file.CreateViewAccessor(offset, length, MemoryMappedFileAccess.Read);

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
