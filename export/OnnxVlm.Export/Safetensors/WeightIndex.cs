using System.Text.Json;
using OnnxVlm.Export.HuggingFace;

namespace OnnxVlm.Export.Safetensors;

/// <summary>
/// Which files hold the weights of a checkpoint: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c>
/// lists. The index is untrusted.
/// </summary>
internal sealed class WeightIndex
{
    /// <summary>The weights of a checkpoint that is not sharded.</summary>
    public const string SingleFile = "model.safetensors";

    /// <summary>The list of shards.</summary>
    public const string IndexFile = "model.safetensors.index.json";

    private const long MaxBytes = 256 << 20;

    private readonly string _path;
    private readonly Dictionary<string, string>? _shardOf;

    private WeightIndex(string path, Dictionary<string, string>? shardOf)
    {
        _path = path;
        _shardOf = shardOf;
        Files = shardOf is null ? [SingleFile] : [.. shardOf.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>The names of the files, in order.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>Reads the index of a folder; where there is none, the weights are in one file.</summary>
    /// <exception cref="ModelLoadException">The index is damaged, or names files outside the folder.</exception>
    public static WeightIndex Load(string folder)
    {
        string path = Path.Combine(folder, IndexFile);
        if (!File.Exists(path))
            return new WeightIndex(path, null);
        WeightIndex index = new(path, Read(path));
        foreach (string shard in index.Files)
        {
            // A plain name beside the index: a shard is never searched for elsewhere.
            if (shard.Length == 0 || shard.AsSpan().IndexOfAny("/\\:\0") >= 0 || !shard.EndsWith(".safetensors", StringComparison.Ordinal))
                throw new ModelLoadException($"{path}: expected file names ending in .safetensors, found \"{shard}\"; do not use this checkpoint");
        }

        return index;
    }

    /// <summary>Compares the index with the contents of the files.</summary>
    /// <param name="names">The tensors of all files.</param>
    /// <exception cref="ModelLoadException">A tensor is missing, or the index does not list it.</exception>
    public void Check(IReadOnlyCollection<string> names)
    {
        if (_shardOf is null)
            return;
        HashSet<string> found = new(names, StringComparer.Ordinal);
        foreach ((string name, string shard) in _shardOf)
        {
            if (!found.Contains(name))
                throw SafetensorsHeader.Damaged(_path, $"{name} should be in {shard}, and no shard has it");
        }

        foreach (string name in names)
        {
            if (!_shardOf.ContainsKey(name))
                throw SafetensorsHeader.Damaged(_path, $"a shard holds {name}, which weight_map does not name");
        }
    }

    private static Dictionary<string, string> Read(string path)
    {
        try
        {
            using JsonDocument document = JsonFile.Read(path, MaxBytes, maxDepth: 8);
            Dictionary<string, string> shardOf = new(StringComparer.Ordinal);
            foreach (JsonProperty entry in document.RootElement.GetProperty("weight_map").EnumerateObject())
                shardOf.Add(entry.Name, entry.Value.GetString() ?? "");
            return shardOf.Count > 0 ? shardOf : throw SafetensorsHeader.Damaged(path, "weight_map is empty");
        }
        catch (Exception exception) when (exception is KeyNotFoundException or InvalidOperationException)
        {
            throw SafetensorsHeader.Damaged(path, $"expected an object weight_map of tensor name to file name ({exception.Message.Split('\n')[0]})", exception);
        }
    }
}
