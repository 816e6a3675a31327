using System.Text.Json;

namespace OnnxVlm.Hub.Pulling;

/// <summary>
/// Checks whether a snapshot in Hugging Face's cache can be exported. Other programs put single files there, so the folder alone proves nothing.
/// </summary>
internal static class SnapshotCheck
{
    private const string Index = "model.safetensors.index.json";

    /// <summary>Whether the configuration, the tokenizer and all weights are there.</summary>
    public static bool IsComplete(string folder) =>
        Has(folder, "config.json") && Has(folder, "tokenizer_config.json")
            && (Has(folder, "tokenizer.json") || (Has(folder, "vocab.json") && Has(folder, "merges.txt"))) && HasListedFiles(folder) && HasWeights(folder);

    private static bool Has(string folder, string name) => File.Exists(Path.Combine(folder, name));

    private static bool HasWeights(string folder)
    {
        if (!Has(folder, Index))
            return Has(folder, "model.safetensors");
        return Read(Path.Combine(folder, Index)) is JsonElement index
            && index.TryGetProperty("weight_map", out JsonElement map) && map.ValueKind == JsonValueKind.Object
            && map.EnumerateObject().All(entry => entry.Value.ValueKind == JsonValueKind.String && Has(folder, entry.Value.GetString()!));
    }

    /// <summary>Newer clients store the list of a commit's files beside the snapshots: <c>trees/COMMIT.json</c>.</summary>
    private static bool HasListedFiles(string folder)
    {
        DirectoryInfo snapshot = new(folder);
        string list = Path.Combine(snapshot.Parent!.Parent!.FullName, "trees", snapshot.Name + ".json");
        if (!File.Exists(list) || Read(list) is not JsonElement tree
            || !tree.TryGetProperty("files", out JsonElement files) || files.ValueKind != JsonValueKind.Object)
            return true;
        return files.EnumerateObject()
            .Where(file => !file.Name.Contains('/')
                && (file.Name.EndsWith(".json", StringComparison.Ordinal) || file.Name.EndsWith(".jinja", StringComparison.Ordinal)))
            .All(file => Has(folder, file.Name));
    }

    private static JsonElement? Read(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : null;
        }
        catch (JsonException)
        {
            // Another program is writing the file: the snapshot counts as incomplete, or the list as missing.
            return null;
        }
    }
}
