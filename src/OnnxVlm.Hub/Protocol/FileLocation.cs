namespace OnnxVlm.Hub.Protocol;

/// <summary>Where a large file can be read in ranges, for a while: as a rule a signed address on another host.</summary>
/// <param name="Address">The address.</param>
/// <param name="SizeBytes">The length of the file; null where nobody said.</param>
/// <param name="ETag">Names the content: a SHA-256 for large files.</param>
internal sealed record FileLocation(Uri Address, long? SizeBytes, string? ETag);
