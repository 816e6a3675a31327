using OnnxVlm.Hub;

namespace OnnxVlm.Server.Downloads;

/// <summary>Answer of POST /v1/downloads/plan: what a model takes, so that a person can decide.</summary>
/// <param name="Plan">What POST /v1/downloads starts; valid once.</param>
/// <param name="Model">Its name.</param>
/// <param name="Commit">The version on the hub.</param>
/// <param name="License">Its licence, or null if none is named.</param>
/// <param name="DownloadBytes">Bytes to download.</param>
/// <param name="DiskBytes">Bytes that it takes on the server's disk.</param>
/// <param name="MemoryBytes">Bytes of memory with a short context.</param>
/// <param name="FitsDisk">Whether the server's disk has room.</param>
/// <param name="FitsMemory">Whether the server's memory suffices.</param>
/// <param name="IsServed">Whether requests can name it already.</param>
internal sealed record DownloadPlan(
    string Plan, string Model, string Commit, string? License, long DownloadBytes, long DiskBytes, long MemoryBytes, bool FitsDisk, bool FitsMemory, bool IsServed)
{
    public static DownloadPlan From(string id, PullPlan plan, bool isServed) => new(
        id,
        plan.Reference.ToString(),
        plan.Commit,
        plan.License,
        plan.Existing is null && plan.Snapshot is null ? plan.DownloadBytes : 0,
        plan.DiskBytes,
        plan.ShortMemoryBytes,
        plan.FitsDisk,
        plan.FitsMemory,
        isServed);
}
