namespace OnnxVlm.Hub.Protocol;

/// <summary>A model on the hub, at one commit.</summary>
/// <param name="Id">Its name, as the hub spells it.</param>
/// <param name="Commit">The commit; 40 hexadecimal digits.</param>
/// <param name="License">The licence that it states; null for none.</param>
/// <param name="IsGated">Whether its terms must be accepted first.</param>
/// <param name="Files">Its files.</param>
internal sealed record Repository(string Id, string Commit, string? License, bool IsGated, IReadOnlyList<RepositoryFile> Files)
{
    /// <summary>The file of a path; null for none.</summary>
    public RepositoryFile? Find(string path) => Files.FirstOrDefault(file => file.Path == path);
}
