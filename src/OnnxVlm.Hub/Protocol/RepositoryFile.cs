namespace OnnxVlm.Hub.Protocol;

/// <summary>A file of a repository, as the hub lists it.</summary>
/// <param name="Path">Its path in the repository, with <c>/</c>.</param>
/// <param name="SizeBytes">Its length; null where it is not listed.</param>
/// <param name="BlobId">Git's hash of its content; null where it is not listed, and for large files, whose content git does not have.</param>
/// <param name="Sha256">The SHA-256 of a large file (LFS); null for others.</param>
internal sealed record RepositoryFile(string Path, long? SizeBytes, string? BlobId, string? Sha256);
