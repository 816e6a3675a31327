using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Text.Json;
using OnnxVlm.Export.HuggingFace;

namespace OnnxVlm.Export.Safetensors;

/// <summary>
/// One memory-mapped <c>.safetensors</c> file: 8 bytes header length (little endian), a JSON header, then the tensors' bytes without gaps.
/// The file is untrusted: everything in the header is checked against the file's length before any tensor is read. Safe for concurrent reads.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    /// <summary>The format's own limit on the header.</summary>
    public const long MaxHeaderBytes = 100_000_000;

    private const int LengthBytes = 8;

    private static readonly Dictionary<string, TensorType> Types =
        Enum.GetValues<TensorType>().ToDictionary(type => type.ToString().ToUpperInvariant(), StringComparer.Ordinal);

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
            throw Damaged(path, $"cannot be opened ({exception.Message})", exception);
        }

        MemoryMappedFile? map = null;
        try
        {
            (byte[] header, long dataStart) = ReadHeader(path, stream);
            List<CheckpointTensor> tensors = ParseHeader(path, header, dataStart, stream.Length - dataStart);
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

    private static (byte[] Header, long DataStart) ReadHeader(string path, FileStream stream)
    {
        long fileBytes = stream.Length;
        if (fileBytes < LengthBytes + 2)
            throw Damaged(path, $"expected a safetensors file, found only {fileBytes} bytes");
        Span<byte> prefix = stackalloc byte[LengthBytes];
        stream.ReadExactly(prefix);
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (headerBytes > (ulong)(fileBytes - LengthBytes))
            throw Damaged(path, $"the header says it has {headerBytes} bytes, but only {fileBytes - LengthBytes} follow; it is truncated or not safetensors");
        if (headerBytes > (ulong)MaxHeaderBytes)
            throw Damaged(path, $"expected a header of at most {MaxHeaderBytes} bytes, found {headerBytes}");
        byte[] header = new byte[headerBytes];
        stream.ReadExactly(header);
        return (header, LengthBytes + (long)headerBytes);
    }

    private static List<CheckpointTensor> ParseHeader(string path, byte[] header, long dataStart, long dataBytes)
    {
        List<CheckpointTensor> tensors = [];
        using JsonDocument document = JsonFile.Parse($"{path}: header", header, new JsonDocumentOptions { MaxDepth = 4 });
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (JsonProperty entry in document.RootElement.EnumerateObject())
        {
            if (!names.Add(entry.Name))
                throw Damaged(path, $"the header names {entry.Name} twice");
            if (entry.Name != "__metadata__")
                tensors.Add(ParseTensor(path, entry, dataStart, dataBytes));
        }

        RefuseGaps(path, tensors, dataStart, dataBytes);
        return tensors;
    }

    private static CheckpointTensor ParseTensor(string path, JsonProperty entry, long dataStart, long dataBytes)
    {
        string name = entry.Name;
        if (entry.Value.ValueKind != JsonValueKind.Object)
            throw Bad("expected an object");
        TensorType? type = null;
        long[]? shape = null, offsets = null;
        foreach (JsonProperty field in entry.Value.EnumerateObject())
        {
            switch (field.Name)
            {
                case "dtype" when field.Value.ValueKind == JsonValueKind.String:
                    type = Types.TryGetValue(field.Value.GetString()!, out TensorType known)
                        ? known
                        : throw Bad($"dtype {field.Value.GetString()} is not supported; convert the checkpoint to F32, F16 or BF16");
                    break;
                case "shape":
                    shape = Numbers(field.Value) ?? throw Bad($"shape: expected an array of whole numbers, found {field.Value.GetRawText()}");
                    break;
                case "data_offsets":
                    offsets = Numbers(field.Value) ?? throw Bad($"data_offsets: expected an array of whole numbers, found {field.Value.GetRawText()}");
                    break;
                default:
                    throw Bad($"expected dtype, shape and data_offsets, found {field.Name}");
            }
        }

        if (type is null || shape is null || offsets is not [long begin, long end])
            throw Bad("expected dtype, shape and two data_offsets");
        if (begin > end || end > dataBytes)
            throw Bad($"data_offsets {begin} to {end} leave the {dataBytes} bytes of data; the file is truncated or damaged: download the checkpoint again");
        if (SizeBytes(type.Value, shape) is not long expected || expected != end - begin)
            throw Bad($"shape [{string.Join(", ", shape)}] of {type} does not take the {end - begin} bytes between its data_offsets; it is damaged");
        return new CheckpointTensor(name, type.Value, shape, dataStart + begin, end - begin);

        ModelLoadException Bad(string what) => new($"{path}: {name}: {what}");
    }

    private static void RefuseGaps(string path, List<CheckpointTensor> tensors, long dataStart, long dataBytes)
    {
        tensors.Sort((a, b) => (a.FileOffset, a.SizeBytes).CompareTo((b.FileOffset, b.SizeBytes)));
        long position = dataStart;
        string previous = "the header";
        foreach (CheckpointTensor tensor in tensors)
        {
            if (tensor.FileOffset < position)
                throw Damaged(path, $"{tensor.Name} overlaps {previous} by {position - tensor.FileOffset} bytes");
            if (tensor.FileOffset > position)
                throw Damaged(path, $"a hole of {tensor.FileOffset - position} bytes between {previous} and {tensor.Name}");
            position += tensor.SizeBytes;
            previous = tensor.Name;
        }

        if (position != dataStart + dataBytes)
            throw Damaged(path, $"{dataStart + dataBytes - position} bytes after the last tensor ({previous}) belong to none");
    }

    private static ModelLoadException Damaged(string path, string what, Exception? cause = null) =>
        new($"{path}: {what}; download the checkpoint again", cause);

    private static long[]? Numbers(JsonElement array)
    {
        if (array.ValueKind != JsonValueKind.Array || array.GetArrayLength() > 16)
            return null;
        long[] numbers = new long[array.GetArrayLength()];
        for (int i = 0; i < numbers.Length; i++)
        {
            if (array[i].ValueKind != JsonValueKind.Number || !array[i].TryGetInt64(out numbers[i]) || numbers[i] < 0)
                return null;
        }

        return numbers;
    }

    /// <summary>Bytes of a tensor, or null when they do not fit 63 bits.</summary>
    private static long? SizeBytes(TensorType type, long[] shape)
    {
        try
        {
            long size = ElementBytes(type);
            foreach (long side in shape)
                size = checked(size * side);
            return size;
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    internal static int ElementBytes(TensorType type) => type switch
    {
        TensorType.F64 or TensorType.I64 or TensorType.U64 => 8,
        TensorType.F32 or TensorType.I32 or TensorType.U32 => 4,
        TensorType.F16 or TensorType.BF16 or TensorType.I16 or TensorType.U16 => 2,
        _ => 1,
    };
}
