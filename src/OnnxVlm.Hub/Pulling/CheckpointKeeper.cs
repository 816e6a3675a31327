using System.Security.Cryptography;
using OnnxVlm.Export.Streaming;
using OnnxVlm.Hub.Cache;
using OnnxVlm.Hub.Protocol;

namespace OnnxVlm.Hub.Pulling;

/// <summary>Downloads a planned checkpoint into Hugging Face's cache.</summary>
/// <param name="plan">The plan; its small files are here already.</param>
/// <param name="writer">The cache.</param>
/// <param name="reporter">Receives the progress.</param>
internal sealed class CheckpointKeeper(PullPlan plan, CacheWriter writer, PullReporter reporter)
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(writer.BlobOf("-"))!);
        foreach (string path in Directory.EnumerateFiles(plan.FilesFolder))
            KeepSmallFile(path);
        long before = 0;
        foreach (CheckpointFile file in plan.Source!.Files)
        {
            if (!writer.Has(file.Name))
                await KeepAsync(file, before, cancellationToken).ConfigureAwait(false);
            before += file.SizeBytes;
        }

        writer.SaveReference(plan.Reference.Revision ?? "main");
    }

    private void KeepSmallFile(string path)
    {
        RepositoryFile file = plan.Repository!.Find(Path.GetFileName(path)) ?? throw new InvalidOperationException($"{path} is no file of the repository.");
        string hash = file.BlobId ?? file.Sha256 ?? Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path))).ToLowerInvariant();
        if (!writer.Has(file.Path) && !File.Exists(writer.BlobOf(hash)))
            File.Copy(path, writer.BlobOf(hash));
        writer.Link(file.Path, hash);
    }

    private async Task KeepAsync(CheckpointFile file, long before, CancellationToken cancellationToken)
    {
        if (file.Sha256 is null || !File.Exists(writer.BlobOf(file.Sha256)))
        {
            string unfinished = writer.UnfinishedBlobOf(file.Sha256 ?? file.Name);
            string found = await new FileDownload(plan.Source!).RunAsync(
                file, unfinished, done => reporter.Report(PullStage.Downloading, before + done, plan.DownloadBytes), cancellationToken).ConfigureAwait(false);
            File.Move(unfinished, writer.BlobOf(found), overwrite: true);
            writer.Link(file.Name, found);
            return;
        }

        writer.Link(file.Name, file.Sha256);
    }
}
