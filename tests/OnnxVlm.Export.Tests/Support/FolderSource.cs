using System.Security.Cryptography;
using OnnxVlm.Export.Streaming;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>The weight files of a folder as a remote checkpoint: it counts the bytes read, and can fail or damage a byte.</summary>
internal sealed class FolderSource : ICheckpointSource
{
    private readonly string _folder;
    private long _bytesRead;

    public FolderSource(string folder, bool knowsHashes = true)
    {
        _folder = folder;
        Files =
        [
            .. Directory.EnumerateFiles(folder, "*.safetensors").Order(StringComparer.Ordinal).Select(path => new CheckpointFile(
                Path.GetFileName(path), new FileInfo(path).Length, knowsHashes ? Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))) : null)),
        ];
    }

    public string Name => "someone/tiny";

    public string Revision { get; init; } = new('c', 40);

    public IReadOnlyList<CheckpointFile> Files { get; }

    /// <summary>Bytes after which every read fails.</summary>
    public long FailsAfterBytes { get; set; } = long.MaxValue;

    /// <summary>A byte that arrives changed: index of the file, and offset in it.</summary>
    public (int File, long Offset)? Flip { get; set; }

    /// <summary>Called before each read.</summary>
    public Func<CancellationToken, Task>? Before { get; set; }

    public long BytesRead => Interlocked.Read(ref _bytesRead);

    public async Task ReadAsync(CheckpointFile file, long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        if (Before is not null)
            await Before(cancellationToken);
        if (Interlocked.Add(ref _bytesRead, destination.Length) > FailsAfterBytes)
            throw new VlmException("the line is cut");
        using FileStream stream = File.OpenRead(Path.Combine(_folder, file.Name));
        stream.Position = offset;
        await stream.ReadExactlyAsync(destination, cancellationToken);
        if (Flip is var (index, at) && Files[index] == file && at >= offset && at < offset + destination.Length)
            destination.Span[(int)(at - offset)] ^= 1;
    }
}
