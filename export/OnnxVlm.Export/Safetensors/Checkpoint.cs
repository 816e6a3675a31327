namespace OnnxVlm.Export.Safetensors;

/// <summary>
/// All tensors of a Hugging Face folder: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> lists. <see cref="Take"/>
/// checks a tensor's shape and records its use; <see cref="RefuseUnused"/> names the tensors that were not used.
/// </summary>
internal sealed class Checkpoint : TensorStore
{
    private const int NamedInMessages = 5;

    private readonly string _folder;
    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, CheckpointTensor> _tensors = new(StringComparer.Ordinal);
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);
    private readonly HashSet<string> _leftOut = new(StringComparer.Ordinal);

    private Checkpoint(string folder) => _folder = folder;

    /// <inheritdoc/>
    public override IEnumerable<string> Paths => _files.Select(file => file.Path);

    /// <inheritdoc/>
    public override long Parameters => _tensors.Values.Sum(tensor => tensor.ElementCount);

    /// <summary>Opens the weights of a checkpoint folder and checks every header.</summary>
    /// <exception cref="ModelLoadException">There are no weights, a shard is missing, or a file or the index breaks a rule.</exception>
    public static Checkpoint Open(string folder)
    {
        var index = WeightIndex.Load(folder);
        Checkpoint checkpoint = new(folder);
        try
        {
            foreach (string name in index.Files)
                checkpoint.OpenFile(Path.Combine(folder, name));
            index.Check(checkpoint._tensors.Keys);
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>The tensors of files of which only the headers are present.</summary>
    /// <param name="folder">The folder of the checkpoint's other files, with the index.</param>
    /// <param name="headers">The headers of the files, with their names.</param>
    /// <exception cref="ModelLoadException">The index does not match the headers, or a tensor is in two files.</exception>
    public static Checkpoint FromHeaders(string folder, IEnumerable<(string Name, SafetensorsHeader Header)> headers)
    {
        Checkpoint checkpoint = new(folder);
        foreach ((string name, SafetensorsHeader header) in headers)
            checkpoint.Add(name, header.Tensors);
        WeightIndex.Load(folder).Check(checkpoint._tensors.Keys);
        return checkpoint;
    }

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Contains(string name) => _tensors.ContainsKey(name);

    /// <inheritdoc/>
    public override CheckpointTensor Take(string name, params ReadOnlySpan<long> shape)
    {
        if (!_tensors.TryGetValue(name, out CheckpointTensor? tensor))
            throw new ModelLoadException($"{_folder}: tensor {name} [{Join(shape)}] is missing; download the checkpoint again, with its own config.json");
        if (tensor.Type is not (TensorType.F32 or TensorType.F16 or TensorType.BF16))
            throw new ModelLoadException($"{_folder}: tensor {name}: expected dtype F32, F16 or BF16, found {tensor.Type}; convert the checkpoint");
        if (!shape.SequenceEqual(tensor.Shape.ToArray()))
            throw new ModelLoadException($"{_folder}: tensor {name}: expected shape [{Join(shape)}] by config.json, found [{string.Join(", ", tensor.Shape)}]");
        _used.Add(name);
        return tensor;
    }

    /// <inheritdoc/>
    public override string PrefixOf(string name)
    {
        string[] found = [.. _tensors.Keys.Where(key => key.EndsWith(name, StringComparison.Ordinal) && !_leftOut.Contains(key))
            .Select(key => key[..^name.Length]).Where(prefix => prefix is "" or [.., '.'])];
        return found switch
        {
            [string prefix] => prefix,
            [] => throw new ModelLoadException(
                $"{_folder}: tensor {name} is missing, under any prefix; download the checkpoint again, with its own config.json"),
            _ => throw new ModelLoadException(
                $"{_folder}: expected one tensor {name}, found {string.Join(", ", found.Select(prefix => prefix + name).Order(StringComparer.Ordinal))}"),
        };
    }

    /// <inheritdoc/>
    public override bool Has(string nameEnd) =>
        _tensors.Keys.Any(key => key.EndsWith(nameEnd, StringComparison.Ordinal) && !_leftOut.Contains(key) && key[..^nameEnd.Length] is "" or [.., '.']);

    /// <inheritdoc/>
    public override void Ignore(string nameEnd) => _used.UnionWith(_tensors.Keys.Where(key => key.EndsWith(nameEnd, StringComparison.Ordinal)));

    /// <inheritdoc/>
    public override void LeaveOut(string namePart)
    {
        _leftOut.UnionWith(_tensors.Keys.Where(key => key.Contains(namePart, StringComparison.Ordinal)));
        _used.UnionWith(_leftOut);
    }

    /// <inheritdoc/>
    public override void RefuseUnused(string architecture)
    {
        string[] extra = [.. _tensors.Keys.Where(name => !_used.Contains(name)).Order(StringComparer.Ordinal)];
        if (extra.Length == 0)
            return;
        if (extra.FirstOrDefault(name => name.Contains("lora_", StringComparison.Ordinal)) is string adapter)
            throw new UnsupportedModelException($"{_folder}: tensor {adapter} is of an adapter; merge the adapter into the weights and give that checkpoint");
        string names = string.Join(", ", extra.Take(NamedInMessages)) + (extra.Length > NamedInMessages ? $" and {extra.Length - NamedInMessages} more" : "");
        throw new ModelLoadException($"{_folder}: {architecture} has no use for tensor {names}; the checkpoint is of another architecture or version");
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        foreach (SafetensorsFile file in _files)
            file.Dispose();
    }

    private void OpenFile(string path)
    {
        if (!File.Exists(path))
        {
            throw Path.GetFileName(path) == WeightIndex.SingleFile
                ? new ModelLoadException(
                    $"{_folder}: expected {WeightIndex.SingleFile} or {WeightIndex.IndexFile}, found neither; give a folder with safetensors weights")
                : SafetensorsHeader.Damaged(path, $"the shard is missing ({WeightIndex.IndexFile} names it)");
        }

        var file = SafetensorsFile.Open(path);
        _files.Add(file);
        Add(file.Path, file.Tensors);
    }

    private void Add(string path, IReadOnlyList<CheckpointTensor> tensors)
    {
        foreach (CheckpointTensor tensor in tensors)
        {
            if (!_tensors.TryAdd(tensor.Name, tensor))
                throw SafetensorsHeader.Damaged(path, $"{tensor.Name} is in another shard too");
        }
    }

    private static string Join(ReadOnlySpan<long> shape) => string.Join(", ", shape.ToArray());
}
