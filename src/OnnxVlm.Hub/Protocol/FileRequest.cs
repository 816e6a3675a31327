namespace OnnxVlm.Hub.Protocol;

/// <summary>A request to the hub, for messages.</summary>
/// <param name="Id">The model.</param>
/// <param name="Revision">The revision; null for the default branch.</param>
/// <param name="Path">The file; null for the model itself.</param>
internal sealed record FileRequest(string Id, string? Revision, string? Path);
