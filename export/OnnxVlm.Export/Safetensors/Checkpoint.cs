using System.Text.Json;
using OnnxVlm.Export.HuggingFace;

namespace OnnxVlm.Export.Safetensors;

/// <summary>
/// All tensors of a Hugging Face folder: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> lists.
/// <see cref="Take"/> checks a tensor's shape and remembers that it was used; <see cref="RefuseUnused"/> names what nobody asked for.
/// </summary>
internal sealed class Checkpoint : TensorStore
{
    private const string SingleFile = "model.safetensors";
    private const string IndexFile = "model.safetensors.index.json";
    private const int NamedInMessages = 5;
    private const long MaxIndexBytes = 256 << 20;

    private readonly string _folder;
    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, CheckpointTensor> _tensors = new(StringComparer.Ordinal);
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);

    private Checkpoint(string folder) => _folder = folder;

    /// <inheritdoc/>
    public override IEnumerable<string> Paths => _files.Select(file => file.Path);

    /// <inheritdoc/>
    public override long Parameters => _tensors.Values.Sum(tensor => tensor.ElementCount);

    /// <summary>Opens the weights of a checkpoint folder and checks every header.</summary>
    /// <exception cref="ModelLoadException">There are no weights, a shard is missing, or a file or the index breaks a rule.</exception>
    public static Checkpoint Open(string folder)
    {
        Checkpoint checkpoint = new(folder);
        try
        {
            string single = Path.Combine(folder, SingleFile);
            string index = Path.Combine(folder, IndexFile);
            if (File.Exists(index))
                checkpoint.OpenShards(index);
            else if (File.Exists(single))
                checkpoint.Add(SafetensorsFile.Open(single));
            else
                throw new ModelLoadException($"{folder}: expected {SingleFile} or {IndexFile}, found neither; give a folder with safetensors weights");
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
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
        string[] found = [.. _tensors.Keys.Where(key => key.EndsWith(name, StringComparison.Ordinal)).Select(key => key[..^name.Length]).Where(prefix => prefix is "" or [.., '.'])];
        return found switch
        {
            [string prefix] => prefix,
            [] => throw new ModelLoadException($"{_folder}: tensor {name} is missing, under any prefix; download the checkpoint again, with its own config.json"),
            _ => throw new ModelLoadException($"{_folder}: expected one tensor {name}, found {string.Join(", ", found.Select(prefix => prefix + name).Order(StringComparer.Ordinal))}"),
        };
    }

    /// <inheritdoc/>
    public override bool Has(string nameEnd) => _tensors.Keys.Any(key => key.EndsWith(nameEnd, StringComparison.Ordinal) && key[..^nameEnd.Length] is "" or [.., '.']);

    /// <inheritdoc/>
    public override void Ignore(string nameEnd) => _used.UnionWith(_tensors.Keys.Where(key => key.EndsWith(nameEnd, StringComparison.Ordinal)));

    /// <inheritdoc/>
    public override void LeaveOut(string namePart) => _used.UnionWith(_tensors.Keys.Where(key => key.Contains(namePart, StringComparison.Ordinal)));

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

    private void OpenShards(string index)
    {
        Dictionary<string, string> shardOf = ReadIndex(index);
        foreach (string shard in shardOf.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            // A plain name beside the index: a shard is never looked for elsewhere.
            if (shard.Length == 0 || shard.AsSpan().IndexOfAny("/\\:\0") >= 0 || !shard.EndsWith(".safetensors", StringComparison.Ordinal))
                throw new ModelLoadException($"{index}: expected file names ending in .safetensors, found \"{shard}\"; do not use this checkpoint");
            string path = Path.Combine(_folder, shard);
            if (!File.Exists(path))
                throw Damaged(path, $"the shard is missing ({IndexFile} names it)");
            Add(SafetensorsFile.Open(path));
        }

        foreach ((string name, string shard) in shardOf)
        {
            if (!_tensors.ContainsKey(name))
                throw Damaged(index, $"{name} should be in {shard}, and no shard has it");
        }

        foreach (string name in _tensors.Keys)
        {
            if (!shardOf.ContainsKey(name))
                throw Damaged(index, $"a shard holds {name}, which weight_map does not name");
        }
    }

    private static Dictionary<string, string> ReadIndex(string index)
    {
        try
        {
            using JsonDocument document = JsonFile.Read(index, MaxIndexBytes, maxDepth: 8);
            Dictionary<string, string> shardOf = new(StringComparer.Ordinal);
            foreach (JsonProperty entry in document.RootElement.GetProperty("weight_map").EnumerateObject())
                shardOf.Add(entry.Name, entry.Value.GetString() ?? "");
            return shardOf.Count > 0 ? shardOf : throw Damaged(index, "weight_map is empty");
        }
        catch (Exception exception) when (exception is KeyNotFoundException or InvalidOperationException)
        {
            throw Damaged(index, $"expected an object weight_map of tensor name to file name ({exception.Message.Split('\n')[0]})", exception);
        }
    }

    private void Add(SafetensorsFile file)
    {
        _files.Add(file);
        foreach (CheckpointTensor tensor in file.Tensors)
        {
            if (!_tensors.TryAdd(tensor.Name, tensor))
                throw Damaged(file.Path, $"{tensor.Name} is in another shard too");
        }
    }

    private static ModelLoadException Damaged(string path, string what, Exception? cause = null) =>
        new($"{path}: {what}; download the checkpoint again", cause);

    private static string Join(ReadOnlySpan<long> shape) => string.Join(", ", shape.ToArray());
}
