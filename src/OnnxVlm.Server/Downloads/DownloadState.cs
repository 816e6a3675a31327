using System.Text.Json.Serialization;

namespace OnnxVlm.Server.Downloads;

/// <summary>Where a download is.</summary>
[JsonConverter(typeof(SnakeCaseConverter))]
internal enum DownloadState
{
    /// <summary>There is none.</summary>
    None,

    /// <summary>It runs.</summary>
    Running,

    /// <summary>The model is served.</summary>
    Done,

    /// <summary>It was broken off.</summary>
    Cancelled,

    /// <summary>It failed.</summary>
    Failed,
}

/// <summary>Writes the state as a word.</summary>
internal sealed class SnakeCaseConverter() : JsonStringEnumConverter<DownloadState>(System.Text.Json.JsonNamingPolicy.SnakeCaseLower);
