using System.Text.Json.Serialization;

namespace OnnxVlm.Server.Downloads;

/// <summary>Answer of /v1/downloads.</summary>
/// <param name="Allowed">Whether models can be downloaded here.</param>
/// <param name="State">Where the last download is.</param>
internal sealed record DownloadStatus(bool Allowed, DownloadState State)
{
    /// <summary>Which model; null if it is another key's.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Model { get; init; }

    /// <summary>Bytes that are done.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? BytesDone { get; init; }

    /// <summary>Bytes in all.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? BytesTotal { get; init; }

    /// <summary>Why it failed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Message { get; init; }
}
