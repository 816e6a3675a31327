using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.FolderWriting;

/// <summary>SHA-256 of a file, with progress: a checkpoint of 20 GB takes half a minute.</summary>
internal static class FileHash
{
    public static string Compute(string path, IProgress<ExportProgress>? progress, CancellationToken cancellationToken)
    {
        if (progress is null)
            return ModelManifest.HashFile(path, cancellationToken);
        string step = $"SHA-256 of {Path.GetFileName(path)}";
        long sizeBytes = new FileInfo(path).Length;
        return ModelManifest.HashFile(path, done => progress.Report(new ExportProgress(step, done, sizeBytes)), cancellationToken);
    }
}
