using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.Export.Streaming;

/// <summary>
/// How far a streamed export is: <c>state.json</c> in its partial folder. It only ever says less than what is on the disk: the data file is flushed first, and the state replaces the one
/// before in one step.
/// </summary>
internal sealed record StreamState
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "state.json";

    /// <summary>Hash of everything that the bytes of the result depend on: the checkpoint's revision and files, and the graph.</summary>
    public required string Key { get; init; }

    /// <summary>For each weight file, the bytes from its beginning that are written.</summary>
    public required IReadOnlyList<long> BytesDone { get; init; }

    /// <summary>For each weight file, whether all of it was read in one run and has the hash that was promised.</summary>
    public required IReadOnlyList<bool> IsVerified { get; init; }

    /// <summary>The weights that were computed of whole tensors and are written.</summary>
    public required IReadOnlyList<string> Finished { get; init; }

    /// <summary>Whether the run went on from an earlier one.</summary>
    [JsonIgnore]
    public bool IsResumed { get; init; }

    /// <summary>Reads the state of an earlier run.</summary>
    /// <returns>The state; null where there is none, or one that cannot be read or is of other bytes.</returns>
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
            // Cut off by a power cut on a file system that does not order renames: as if there were none.
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
