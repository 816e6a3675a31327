namespace OnnxVlm.Server.Downloads;

/// <summary>Body of POST /v1/downloads/plan.</summary>
internal sealed record PlanRequest
{
    /// <summary>The name, as on the hub: OWNER/NAME. Required.</summary>
    public string? Model { get; init; }
}

/// <summary>Body of POST /v1/downloads.</summary>
internal sealed record DownloadRequest
{
    /// <summary>The id of a plan. Required.</summary>
    public string? Plan { get; init; }
}
