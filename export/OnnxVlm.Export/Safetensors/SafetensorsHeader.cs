using System.Buffers.Binary;
using System.Text.Json;
using OnnxVlm.Export.HuggingFace;

namespace OnnxVlm.Export.Safetensors;

/// <summary>
/// The beginning of a <c>.safetensors</c> file: 8 bytes header length (little endian), then a JSON header. The header says where in the rest of the file each
/// tensor's bytes are, without gaps. The file is untrusted: everything in the header is checked against the file's length before any tensor is read.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The format's own limit on the JSON header.</summary>
    public const long MaxBytes = 100_000_000;

    /// <summary>Bytes of the header's length, before the header.</summary>
    public const int LengthBytes = 8;

    private static readonly Dictionary<string, TensorType> Types =
        Enum.GetValues<TensorType>().ToDictionary(type => type.ToString().ToUpperInvariant(), StringComparer.Ordinal);

    private readonly string _path;
    private readonly long _dataBytes;

    private SafetensorsHeader(string path, long dataStart, long dataBytes)
    {
        _path = path;
        DataStart = dataStart;
        _dataBytes = dataBytes;
        Tensors = [];
    }

    /// <summary>Offset of the first tensor: bytes of the length and the header together.</summary>
    public long DataStart { get; }

    /// <summary>The tensors in the order of their bytes.</summary>
    public IReadOnlyList<CheckpointTensor> Tensors { get; private set; }

    /// <summary>Reads the header's length and checks it.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="prefix">The first 8 bytes of the file.</param>
    /// <param name="fileBytes">The length of the file.</param>
    /// <exception cref="ModelLoadException">The file is too short for the header, or the header is longer than the format allows.</exception>
    public static int ReadLength(string path, ReadOnlySpan<byte> prefix, long fileBytes)
    {
        if (fileBytes < LengthBytes + 2 || prefix.Length < LengthBytes)
            throw Damaged(path, $"expected a safetensors file, found only {fileBytes} bytes");
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (headerBytes > (ulong)(fileBytes - LengthBytes))
            throw Damaged(path, $"the header says it has {headerBytes} bytes, but only {fileBytes - LengthBytes} follow; it is truncated or not safetensors");
        if (headerBytes > (ulong)MaxBytes)
            throw Damaged(path, $"expected a header of at most {MaxBytes} bytes, found {headerBytes}");
        return (int)headerBytes;
    }

    /// <summary>Reads a header and checks it.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="header">The JSON, without the length.</param>
    /// <param name="fileBytes">The length of the file.</param>
    /// <exception cref="ModelLoadException">The header breaks a rule of the format.</exception>
    public static SafetensorsHeader Parse(string path, ReadOnlyMemory<byte> header, long fileBytes)
    {
        long dataStart = LengthBytes + (long)header.Length;
        SafetensorsHeader result = new(path, dataStart, fileBytes - dataStart);
        result.Tensors = result.ParseTensors(header);
        return result;
    }

    /// <summary>Bytes of an element.</summary>
    public static int ElementBytes(TensorType type) => type switch
    {
        TensorType.F64 or TensorType.I64 or TensorType.U64 => 8,
        TensorType.F32 or TensorType.I32 or TensorType.U32 => 4,
        TensorType.F16 or TensorType.BF16 or TensorType.I16 or TensorType.U16 => 2,
        _ => 1,
    };

    /// <summary>An error of a checkpoint's file.</summary>
    public static ModelLoadException Damaged(string path, string what, Exception? cause = null) => new($"{path}: {what}; download the checkpoint again", cause);

    private List<CheckpointTensor> ParseTensors(ReadOnlyMemory<byte> header)
    {
        List<CheckpointTensor> tensors = [];
        using JsonDocument document = JsonFile.Parse($"{_path}: header", header, new JsonDocumentOptions { MaxDepth = 4 });
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (JsonProperty entry in document.RootElement.EnumerateObject())
        {
            if (!names.Add(entry.Name))
                throw Damaged(_path, $"the header names {entry.Name} twice");
            if (entry.Name != "__metadata__")
                tensors.Add(ParseTensor(entry));
        }

        RefuseGaps(tensors);
        return tensors;
    }

    private CheckpointTensor ParseTensor(JsonProperty entry)
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
        if (begin > end || end > _dataBytes)
            throw Bad($"data_offsets {begin} to {end} leave the {_dataBytes} bytes of data; the file is truncated or damaged: download the checkpoint again");
        if (SizeBytes(type.Value, shape) is not long expected || expected != end - begin)
            throw Bad($"shape [{string.Join(", ", shape)}] of {type} does not take the {end - begin} bytes between its data_offsets; it is damaged");
        return new CheckpointTensor(_path, name, type.Value, shape, DataStart + begin, end - begin);

        ModelLoadException Bad(string what) => new($"{_path}: {name}: {what}");
    }

    private void RefuseGaps(List<CheckpointTensor> tensors)
    {
        tensors.Sort((a, b) => (a.FileOffset, a.SizeBytes).CompareTo((b.FileOffset, b.SizeBytes)));
        long position = DataStart;
        string previous = "the header";
        foreach (CheckpointTensor tensor in tensors)
        {
            if (tensor.FileOffset < position)
                throw Damaged(_path, $"{tensor.Name} overlaps {previous} by {position - tensor.FileOffset} bytes");
            if (tensor.FileOffset > position)
                throw Damaged(_path, $"a hole of {tensor.FileOffset - position} bytes between {previous} and {tensor.Name}");
            position += tensor.SizeBytes;
            previous = tensor.Name;
        }

        if (position != DataStart + _dataBytes)
            throw Damaged(_path, $"{DataStart + _dataBytes - position} bytes after the last tensor ({previous}) belong to none");
    }

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
}
