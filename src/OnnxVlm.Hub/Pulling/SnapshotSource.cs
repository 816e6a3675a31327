using Microsoft.Win32.SafeHandles;
using OnnxVlm.Export.Streaming;
using OnnxVlm.Hub.Cache;

namespace OnnxVlm.Hub.Pulling;

/// <summary>A checkpoint that is already on this disk, in a snapshot of Hugging Face's cache.</summary>
internal sealed class SnapshotSource : ICheckpointSource
{
    private readonly string _folder;

    /// <param name="id">The model.</param>
    /// <param name="commit">The commit.</param>
    /// <param name="folder">The snapshot.</param>
    public SnapshotSource(string id, string commit, string folder)
    {
        (Name, Revision, _folder) = (id, commit, folder);
        Files = [.. Directory.EnumerateFiles(folder, "*.safetensors").Order(StringComparer.Ordinal).Select(path =>
        {
            using SafeFileHandle handle = File.OpenHandle(path);
            return new CheckpointFile(Path.GetFileName(path), RandomAccess.GetLength(handle), HuggingFaceCache.HashOf(path));
        })];
    }

    public string Name { get; }

    public string Revision { get; }

    public IReadOnlyList<CheckpointFile> Files { get; }

    /// <inheritdoc/>
    public async Task ReadAsync(CheckpointFile file, long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        using SafeFileHandle handle = File.OpenHandle(Path.Combine(_folder, file.Name), options: FileOptions.Asynchronous);
        for (int done = 0; done < destination.Length;)
        {
            int read = await RandomAccess.ReadAsync(handle, destination[done..], offset + done, cancellationToken).ConfigureAwait(false);
            done += read > 0 ? read : throw new ModelLoadException(
                $"{Path.Combine(_folder, file.Name)}: is shorter than it was; download the checkpoint again");
        }
    }
}
