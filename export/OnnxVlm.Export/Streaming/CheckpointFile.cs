namespace OnnxVlm.Export.Streaming;

/// <summary>A weight file of a checkpoint that is not on this disk.</summary>
/// <param name="Name">Its name, without a folder.</param>
/// <param name="SizeBytes">Its length.</param>
/// <param name="Sha256">Its SHA-256 in lower-case hexadecimal, with which what is read is compared; null where nobody knows it.</param>
public sealed record CheckpointFile(string Name, long SizeBytes, string? Sha256);
