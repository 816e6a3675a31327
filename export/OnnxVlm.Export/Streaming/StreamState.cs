using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.Export.Streaming;

/// <summary>
/// The progress of a streamed export: <c>state.json</c> in its partial folder. It never claims more than is on the disk: the data file is flushed
/// first, and the new state replaces the old one atomically.
/// </summary>
internal sealed record StreamState
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "state.json";

    /// <summary>Hash of everything that the bytes of the result depend on: the checkpoint's revision and files, and the graph.</summary>
    public required string Key { get; init; }

    /// <summary>For each weight file, the bytes from its beginning that are written.</summary>
    public required IReadOnlyList<long> BytesDone { get; init; }

    /// <summary>For each weight file, whether all of it was read in one run and has the expected hash.</summary>
    public required IReadOnlyList<bool> IsVerified { get; init; }

    /// <summary>The weights that are computed from whole tensors and have been written.</summary>
    public required IReadOnlyList<string> Finished { get; init; }

    /// <summary>Whether the run continued an earlier one.</summary>
    [JsonIgnore]
    public bool IsResumed { get; init; }

    /// <summary>Reads the state of an earlier run.</summary>
    /// <returns>The state; null where there is none, where it cannot be read, or where it belongs to other bytes.</returns>
    public static StreamState? Load(string folder, string key, int files)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            return null;
        try
        {
            StreamState? state = JsonSerializer.Deserialize(File.ReadAllBytes(path), StreamStateJson.Default.StreamState);
            return state is not null && state.Key == key && state.BytesDone.Count == files && state.IsVerified.Count == files ? state : null;
        }
        catch (JsonException)
        {
            // Truncated by a power failure on a file system that does not order renames: treated as no state.
            return null;
        }
    }

    /// <summary>Replaces the state of the folder.</summary>
    public void Save(string folder)
    {
        string path = Path.Combine(folder, FileName), next = path + ".next";
        using (FileStream file = new(next, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            JsonSerializer.Serialize(file, this, StreamStateJson.Default.StreamState);
            file.Flush(flushToDisk: true);
        }

        File.Move(next, path, overwrite: true);
    }
}

/// <summary>Reads and writes <see cref="StreamState"/>; the code is generated.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(StreamState))]
internal sealed partial class StreamStateJson : JsonSerializerContext;
