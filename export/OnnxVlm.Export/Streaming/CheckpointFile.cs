namespace OnnxVlm.Export.Streaming;

/// <summary>A weight file of a checkpoint that is not on this disk.</summary>
/// <param name="Name">Its name, without a folder.</param>
/// <param name="SizeBytes">Its length.</param>
/// <param name="Sha256">The expected SHA-256 in lower-case hexadecimal, with which the bytes read are compared; null where it is unknown.</param>
public sealed record CheckpointFile(string Name, long SizeBytes, string? Sha256);
