namespace OnnxVlm.Hub.Protocol;

/// <summary>The address at which a large file can be read in ranges for some time, usually a signed address on another host.</summary>
/// <param name="Address">The address.</param>
/// <param name="SizeBytes">The length of the file; null where it is unknown.</param>
/// <param name="ETag">Identifies the content: a SHA-256 for large files.</param>
internal sealed record FileLocation(Uri Address, long? SizeBytes, string? ETag);
